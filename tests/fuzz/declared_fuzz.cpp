// Declared secrets in anything: what a naive search finds is found, in one piece and in every split; a line
// that may be the beginning of a form is known as one. The input is the length of the secret, the secret, and
// bytes in which 0xF0 to 0xFF stand for one of its encodings.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/trust/declared_secrets.h"

namespace {

using namespace minibuild;

std::string hexadecimal(std::string_view bytes, const char* digits) {
  std::string out;
  for (const char c : bytes) {
    out += digits[static_cast<uint8_t>(c) >> 4U];
    out += digits[static_cast<uint8_t>(c) & 15U];
  }
  return out;
}

std::string in_lines(const std::string& text, size_t width) {
  std::string out;
  for (size_t i = 0; i < text.size(); i += width) out += text.substr(i, width) + "\r\n";
  return out;
}

std::string encoded(const std::string& value, unsigned how) {
  switch (how) {
    case 0:
      return hexadecimal(value, "0123456789abcdef");
    case 1:
      return hexadecimal(value, "0123456789ABCDEF");
    case 2:
    case 3:
    case 4:
      return base::base64(std::string(how - 2, 'x') + value + "y");
    case 5:
      return in_lines(base::base64(value), 10);
    case 6:
      return base::base64(base::base64(value));
    case 7:
      return base::base64(in_lines(base::base64("x" + value), 76));
    case 8:
      return value.substr(0, value.size() / 2);
    case 9:
      return value.substr(1);
    default:
      return value;
  }
}

std::string without_space(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (c != ' ' && c != '\t' && c != '\n' && c != '\r') out += c;
  return out;
}

// What must be found, by the plainest means.
bool is_there(const std::string& value, const std::string& bytes) {
  if (bytes.find(value) != std::string::npos) return true;
  const std::string bare = without_space(bytes);
  for (const char* digits : {"0123456789abcdef", "0123456789ABCDEF"})
    if (bare.find(hexadecimal(value, digits)) != std::string::npos) return true;
  for (const std::string& one : {base::base64(value), base::base64(base::base64(value))}) {
    const std::string whole = one.substr(0, one.find('='));
    if (bare.find(one) != std::string::npos && whole.size() >= trust::SecretForms::least) return true;
  }
  return false;
}

void require(bool right) {
  if (!right) std::abort();
}

void check_split(const trust::SecretForms& forms, const std::string& value, const std::string& bytes,
                 std::string_view cuts, bool wanted) {
  trust::SecretSearch search(forms);
  const size_t place = bytes.find(value);
  bool found = false;
  size_t at = 0;
  for (size_t i = 0; at < bytes.size() && !found; ++i) {
    const size_t size = cuts.empty() ? 1 : static_cast<uint8_t>(cuts[i % cuts.size()]) + 1U;
    found = search.add(std::string_view(bytes).substr(at, size)).has_value();
    at = std::min(at + size, bytes.size());
    const bool inside = place != std::string::npos && place + 4 <= at && at < place + value.size();
    if (!found && inside) require(search.may_begin());
  }
  require(found == wanted);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (input.empty()) return 0;
  const std::string given(input.substr(1, static_cast<uint8_t>(input[0])));
  const std::string value(base::trim(given));
  try {
    const trust::SecretForms forms({{"id", given}});
    require(value.size() >= trust::SecretForms::least);
    std::string bytes;
    const std::string_view rest = input.substr(1 + given.size());
    for (const char c : rest) {
      const auto byte = static_cast<uint8_t>(c);
      if (byte < 0xF0)
        bytes += c;
      else
        bytes += encoded(value, byte & 15U);
      if (bytes.size() > (size_t{1} << 18U)) break;
    }
    const std::optional<trust::SecretHit> hit = trust::find_secret(forms, bytes);
    if (is_there(value, bytes)) require(hit.has_value());
    if (hit) require(hit->id == "id" && !hit->encoding.empty());
    // A single line as it is stands there as it is.
    if (hit && hit->encoding == "as it is" && value.find('\n') == std::string::npos)
      require(bytes.find(value) != std::string::npos);
    check_split(forms, value, bytes, rest, hit.has_value());
    check_split(forms, value, bytes, "", hit.has_value());
  } catch (const base::Error& error) {
    require(error.code() == base::Code::usage && value.size() < trust::SecretForms::least);
  }
  return 0;
}
