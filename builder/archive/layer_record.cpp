// The record of a written layer as bytes: fixed-width big-endian numbers, length-prefixed states.
#include "minibuild/archive/layer.h"

namespace minibuild::archive {

namespace {

constexpr std::string_view record_magic = "minibuild layer 1\n";

void put(std::string& out, uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(value >> static_cast<unsigned>(shift)));
}

void put(std::string& out, const base::Hash& hash) { out += base::as_bytes(hash); }

void put(std::string& out, const std::string& state) {
  out.push_back(static_cast<char>(state.size()));
  out += state;
}

// Takes values from the front; remembers when there was too little.
struct Reader {
  std::string_view rest;
  bool ok = true;

  std::string_view take(size_t n) {
    if (rest.size() < n) {
      ok = false;
      return {};
    }
    const std::string_view part = rest.substr(0, n);
    rest.remove_prefix(n);
    return part;
  }
  uint64_t number() {
    uint64_t value = 0;
    for (const char c : take(8)) value = value << 8U | static_cast<uint8_t>(c);
    return value;
  }
  base::Hash hash() {
    base::Hash value{};
    const std::string_view bytes = take(value.size());
    std::copy(bytes.begin(), bytes.end(), value.begin());
    return value;
  }
  std::string state() {
    const std::string_view length = take(1);
    return std::string(take(length.empty() ? 0 : static_cast<uint8_t>(length.front())));
  }
};

}  // namespace

std::string serialise(const Layer& layer) {
  std::string out(record_magic);
  put(out, layer.digest.hash);
  put(out, layer.diff_id.hash);
  put(out, layer.size);
  put(out, layer.plain_size);
  put(out, layer.groups.size());
  for (const GroupEnd& group : layer.groups) {
    put(out, group.key);
    put(out, group.plain);
    put(out, group.stored);
    put(out, group.plain_state);
    put(out, group.stored_state);
  }
  return out;
}

std::optional<Layer> parse_layer(std::string_view bytes) {
  if (!bytes.starts_with(record_magic)) return std::nullopt;
  Reader reader{bytes.substr(record_magic.size())};
  Layer layer;
  layer.digest = {reader.hash()};
  layer.diff_id = {reader.hash()};
  layer.size = reader.number();
  layer.plain_size = reader.number();
  const uint64_t count = reader.number();
  constexpr size_t least = 32 + 8 + 8 + 1 + 1;
  if (!reader.ok || count > reader.rest.size() / least) return std::nullopt;
  for (uint64_t i = 0; i < count; ++i) {
    GroupEnd& group = layer.groups.emplace_back();
    group.key = reader.hash();
    group.plain = reader.number();
    group.stored = reader.number();
    group.plain_state = reader.state();
    group.stored_state = reader.state();
  }
  if (!reader.ok || !reader.rest.empty()) return std::nullopt;
  return layer;
}

}  // namespace minibuild::archive
