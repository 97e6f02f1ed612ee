#include "builder/sandbox/orders.h"

#include "minibuild/base/error.h"

namespace minibuild::sandbox {

namespace {

void put(std::string& out, size_t value) {
  for (int shift = 56; shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(value >> static_cast<unsigned>(shift)));
}

void put(std::string& out, const std::string& text) {
  put(out, text.size());
  out += text;
}

void put(std::string& out, const std::vector<std::string>& list) {
  put(out, list.size());
  for (const std::string& one : list) put(out, one);
}

void put(std::string& out, const std::vector<std::pair<std::string, std::string>>& list) {
  put(out, list.size());
  for (const auto& [first, second] : list) {
    put(out, first);
    put(out, second);
  }
}

struct Taker {
  std::string_view rest;

  std::string_view bytes(size_t n) {
    if (rest.size() < n) base::fail("cannot read the sandbox's orders: they are cut off");
    const std::string_view part = rest.substr(0, n);
    rest.remove_prefix(n);
    return part;
  }
  size_t number() {
    size_t value = 0;
    for (const char c : bytes(8)) value = value << 8U | static_cast<unsigned char>(c);
    return value;
  }
  std::string text() { return std::string(bytes(number())); }
  std::vector<std::string> list() {
    std::vector<std::string> out;
    for (size_t n = number(); n > 0; --n) out.push_back(text());
    return out;
  }
  std::vector<std::pair<std::string, std::string>> pairs() {
    std::vector<std::pair<std::string, std::string>> out;
    for (size_t n = number(); n > 0; --n) {
      std::string first = text();
      out.emplace_back(std::move(first), text());
    }
    return out;
  }
};

}  // namespace

std::string write_orders(const Orders& orders) {
  std::string out;
  for (const bool flag : {orders.remove_only, orders.look_only, orders.host_tools, orders.network,
                          orders.shared, orders.stage_as_root})
    put(out, flag ? 1 : 0);
  const Limits& limits = orders.limits;
  for (const uint64_t limit : {limits.memory, limits.processes, limits.disk, limits.time}) put(out, limit);
  put(out, orders.ports.size());
  for (const uint16_t port : orders.ports) put(out, port);
  put(out, orders.certificates);
  put(out, orders.work);
  put(out, orders.workdir);
  put(out, orders.env);
  put(out, orders.commands.size());
  for (const auto& command : orders.commands) put(out, command);
  put(out, orders.secrets);
  put(out, orders.caches);
  put(out, orders.times.size());
  for (const auto& [path, time] : orders.times) {
    put(out, path);
    put(out, static_cast<size_t>(time));
  }
  return out;
}

Orders read_orders(std::string_view bytes) {
  Taker taker{bytes};
  Orders orders;
  for (bool* flag : {&orders.remove_only, &orders.look_only, &orders.host_tools, &orders.network,
                     &orders.shared, &orders.stage_as_root})
    *flag = taker.number() == 1;
  Limits& limits = orders.limits;
  for (uint64_t* limit : {&limits.memory, &limits.processes, &limits.disk, &limits.time})
    *limit = taker.number();
  for (size_t n = taker.number(); n > 0; --n) orders.ports.push_back(static_cast<uint16_t>(taker.number()));
  orders.certificates = taker.text();
  orders.work = taker.text();
  orders.workdir = taker.text();
  orders.env = taker.list();
  for (size_t n = taker.number(); n > 0; --n) orders.commands.push_back(taker.list());
  orders.secrets = taker.pairs();
  orders.caches = taker.pairs();
  for (size_t n = taker.number(); n > 0; --n) {
    std::string path = taker.text();
    orders.times[std::move(path)] = static_cast<int64_t>(taker.number());
  }
  return orders;
}

}  // namespace minibuild::sandbox
