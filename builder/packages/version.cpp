#include "minibuild/packages/version.h"

#include <algorithm>
#include <array>

#include "minibuild/base/text.h"

namespace minibuild::packages {

namespace {

bool is_hex_digit(char c) { return base::is_digit(c) || (c >= 'a' && c <= 'f'); }

int sign(int order) { return order < 0 ? -1 : order > 0 ? 1 : 0; }

// Takes the longest beginning whose bytes are all of a kind.
template <typename Kind>
std::string_view take(std::string_view& text, Kind is_of_kind) {
  const auto end = std::find_if_not(text.begin(), text.end(), is_of_kind);
  const std::string_view taken = text.substr(0, static_cast<size_t>(end - text.begin()));
  text.remove_prefix(taken.size());
  return taken;
}

// Digits as a number of any length; no digits are zero.
int compare_numbers(std::string_view a, std::string_view b) {
  a.remove_prefix(std::min(a.find_first_not_of('0'), a.size()));
  b.remove_prefix(std::min(b.find_first_not_of('0'), b.size()));
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  return sign(a.compare(b));
}

// deb-version(7), "Sorting algorithm": `~`, then the end of the part, then letters, then everything else. A
// digit ends the part.
int deb_weight(std::string_view rest) {
  if (rest.empty() || base::is_digit(rest[0])) return 0;
  if (rest[0] == '~') return -1;
  if (base::is_letter(rest[0])) return static_cast<uint8_t>(rest[0]);
  return static_cast<uint8_t>(rest[0]) + 256;
}

// Parts without and with digits take turns.
int compare_deb_parts(std::string_view a, std::string_view b) {
  const auto in_text = [](std::string_view rest) { return !rest.empty() && !base::is_digit(rest[0]); };
  while (!a.empty() || !b.empty()) {
    while (in_text(a) || in_text(b)) {
      const int difference = deb_weight(a) - deb_weight(b);
      if (difference != 0) return sign(difference);
      a.remove_prefix(1);  // equal weights: neither is at its end
      b.remove_prefix(1);
    }
    const int order = compare_numbers(take(a, base::is_digit), take(b, base::is_digit));
    if (order != 0) return order;
  }
  return 0;
}

struct DebVersion {
  std::string_view epoch;
  std::string_view upstream;
  std::string_view revision;
};

// The first colon ends the epoch, the last hyphen begins the revision. What dpkg would refuse as an epoch is
// part of the upstream version.
DebVersion split_deb(std::string_view text) {
  DebVersion version;
  const size_t colon = text.find(':');
  if (colon != std::string_view::npos && colon > 0 &&
      std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(colon), base::is_digit)) {
    version.epoch = text.substr(0, colon);
    text.remove_prefix(colon + 1);
  }
  const size_t hyphen = text.rfind('-');
  version.upstream = text.substr(0, hyphen);
  if (hyphen != std::string_view::npos) version.revision = text.substr(hyphen + 1);
  return version;
}

// In the order that decides when two versions go on differently: what comes first here is the greater one,
// so 1.2.1 > 1.2a > 1.2_p1 > 1.2-r1 > 1.2.
enum class Kind { first, number, letter_number, letter, suffix, suffix_number, commit, revision, end, bad };

// The suffixes in their order; those of a version before the release come before `none`.
constexpr std::array<std::string_view, 10> suffixes = {"alpha", "beta", "pre", "rc", "none",
                                                       "cvs",   "svn",  "git", "hg", "p"};
constexpr size_t no_suffix = 4;

// Reads a version part by part: number{.number}{letter}{_suffix{number}}{~commit}{-rNUMBER}. Digits behind
// the letter, after which it goes on as after any number, are apk-tools 2's; Alpine 3.16 has `6.8.0p2-r4`.
class ApkParts {
 public:
  explicit ApkParts(std::string_view text) : rest_(text) { take_digits(Kind::first); }
  Kind kind() const { return kind_; }
  std::string_view value() const { return value_; }
  // Below zero for a version before the release, above zero for one after it.
  int suffix() const { return suffix_; }
  bool goes_on() const { return kind_ < Kind::end; }

  void next() {
    if (rest_.empty()) {
      kind_ = Kind::end;
      return;
    }
    const char c = rest_[0];
    if (base::is_lower(c)) return take_letter();
    if (base::is_digit(c)) {
      if (kind_ == Kind::suffix) return take_digits(Kind::suffix_number);
      return kind_ == Kind::letter ? take_digits(Kind::letter_number) : refuse();
    }
    rest_.remove_prefix(1);
    switch (c) {
      case '.':
        return kind_ <= Kind::letter_number ? take_digits(Kind::number) : refuse();
      case '_':
        return kind_ <= Kind::suffix_number ? take_suffix() : refuse();
      case '~':
        return kind_ < Kind::commit ? take_commit() : refuse();
      case '-':
        if (kind_ >= Kind::revision || !rest_.starts_with('r')) return refuse();
        rest_.remove_prefix(1);
        return take_digits(Kind::revision);
      default:
        return refuse();
    }
  }

 private:
  void refuse() { kind_ = Kind::bad; }

  void take_digits(Kind kind) {
    value_ = take(rest_, base::is_digit);
    kind_ = value_.empty() ? Kind::bad : kind;
  }

  void take_letter() {
    if (kind_ > Kind::letter_number) return refuse();
    value_ = rest_.substr(0, 1);
    rest_.remove_prefix(1);
    kind_ = Kind::letter;
  }

  void take_suffix() {
    value_ = take(rest_, base::is_lower);
    const auto* const found = std::find(suffixes.begin(), suffixes.end(), value_);
    const auto index = static_cast<size_t>(found - suffixes.begin());
    if (index == suffixes.size() || index == no_suffix) return refuse();
    suffix_ = static_cast<int>(index) - static_cast<int>(no_suffix);
    kind_ = Kind::suffix;
  }

  void take_commit() {
    value_ = take(rest_, is_hex_digit);
    kind_ = value_.empty() ? Kind::bad : Kind::commit;
  }

  std::string_view rest_;
  std::string_view value_;
  int suffix_ = 0;
  Kind kind_ = Kind::bad;
};

// Two parts of the same kind.
int compare_apk_parts(const ApkParts& a, const ApkParts& b) {
  switch (a.kind()) {
    case Kind::number:
      // As decimals: 1.001 < 1.01 < 1.1.
      if (a.value().starts_with('0') || b.value().starts_with('0')) return sign(a.value().compare(b.value()));
      return compare_numbers(a.value(), b.value());
    case Kind::first:
    case Kind::letter_number:
    case Kind::suffix_number:
    case Kind::revision:
      return compare_numbers(a.value(), b.value());
    case Kind::suffix:
      return sign(a.suffix() - b.suffix());
    default:
      return sign(a.value().compare(b.value()));
  }
}

}  // namespace

int compare_deb_versions(std::string_view a, std::string_view b) {
  const DebVersion left = split_deb(a);
  const DebVersion right = split_deb(b);
  if (const int order = compare_numbers(left.epoch, right.epoch); order != 0) return order;
  if (const int order = compare_deb_parts(left.upstream, right.upstream); order != 0) return order;
  return compare_deb_parts(left.revision, right.revision);
}

bool is_apk_version(std::string_view text) {
  ApkParts parts(text);
  while (parts.goes_on()) parts.next();
  return parts.kind() == Kind::end;
}

int compare_apk_versions(std::string_view a, std::string_view b) {
  const bool valid = is_apk_version(a);
  if (valid != is_apk_version(b)) return valid ? 1 : -1;
  if (!valid) return sign(a.compare(b));
  ApkParts left(a);
  ApkParts right(b);
  while (left.kind() == right.kind() && left.goes_on()) {
    if (const int order = compare_apk_parts(left, right); order != 0) return order;
    left.next();
    right.next();
  }
  if (left.kind() == right.kind()) return 0;
  if (left.kind() == Kind::suffix && left.suffix() < 0) return -1;
  if (right.kind() == Kind::suffix && right.suffix() < 0) return 1;
  return left.kind() > right.kind() ? -1 : 1;
}

bool apk_version_begins(std::string_view version, std::string_view prefix) {
  if (!is_apk_version(prefix)) return false;
  ApkParts whole(version);
  ApkParts wanted(prefix);
  for (; wanted.goes_on(); whole.next(), wanted.next())
    if (whole.kind() != wanted.kind() || compare_apk_parts(whole, wanted) != 0) return false;
  return true;
}

}  // namespace minibuild::packages
