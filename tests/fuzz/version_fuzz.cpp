// Versions: three texts cut out of the input are in an order, whichever format's, and what begins with a
// version has it as a part.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "minibuild/packages/version.h"

using namespace minibuild::packages;

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

void check_order(int (*compare)(std::string_view, std::string_view), std::string_view a, std::string_view b,
                 std::string_view c) {
  check(compare(a, a) == 0);
  const int ab = compare(a, b);
  const int bc = compare(b, c);
  const int ac = compare(a, c);
  check(ab == -compare(b, a));
  check(bc == -compare(c, b));
  check(ac == -compare(c, a));
  // Transitive, and what is equal is equal to everything else in the same way.
  if (ab <= 0 && bc <= 0) check(ac <= 0);
  if (ab >= 0 && bc >= 0) check(ac >= 0);
  if (ab == 0) check(ac == bc);
  if (bc == 0) check(ac == ab);
}

void check_beginning(std::string_view version, std::string_view prefix) {
  if (!apk_version_begins(version, prefix)) return;
  check(is_apk_version(prefix));
  // A part of its own may follow, a digit more would be another number.
  if (is_apk_version(version))
    check(compare_apk_versions(version, prefix) >= 0 || version.find('_') != std::string_view::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto cut = [&rest] {
    const std::string_view text = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(text.size() < rest.size() ? text.size() + 1 : text.size());
    return text;
  };
  const std::string_view a = cut();
  const std::string_view b = cut();
  const std::string_view c = rest;
  check_order(compare_deb_versions, a, b, c);
  check_order(compare_apk_versions, a, b, c);
  check(apk_version_begins(a, a) == is_apk_version(a));
  check_beginning(a, b);
  check_beginning(b, a);
  if (apk_version_begins(a, b) && apk_version_begins(b, c)) check(apk_version_begins(a, c));
  return 0;
}
