// The engine: keywords (keyword_filter) → pattern in a window around the keyword → entropy → what the value
// is.
//
// A stream is a sequence of views: pieces of the file in memory of which the positions from `next_` on are
// tested as far as `ahead` bytes follow. Whatever a rule looks at lies within `back` bytes before the tested
// position and `ahead` behind it, and is cut there even if more is at hand: so the findings do not depend on
// how the file came.
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <tuple>

#include "builder/trust/keyword_filter.h"
#include "builder/trust/published_secrets.h"
#include "builder/trust/secret_files.h"
#include "builder/trust/secret_table.h"
#include "builder/trust/secret_value.h"
#include "minibuild/base/sha256.h"
#include "minibuild/base/text.h"
#include "minibuild/trust/secret_rules.h"

namespace minibuild::trust {
namespace {

constexpr uint64_t reach = 4096;       // of rules around a keyword, in both directions
constexpr uint64_t back = reach + 64;  // a keyword begins at most `max_shift` before the tested position
constexpr uint64_t ahead = reach + 64;
constexpr size_t stretch = 4096;  // tested between two counts of lines; a multiple of the filter's group
constexpr size_t enough = size_t{64} << 10U;     // small parts are gathered up to so much
constexpr size_t binary_head = 8000;             // a NUL in it makes a file binary, as in git
constexpr size_t kept_head = size_t{64} << 10U;  // for rules about names
constexpr size_t max_findings = 1000;
// A file made of keywords would take the time of its windows: rules that look far stop when they have looked
// at so many bytes more than a few times the file.
constexpr uint64_t far_budget = uint64_t{64} << 20U;
constexpr uint64_t far_share = 4;

// The compiled patterns, each compiled when it is first needed.
class Engine {
 public:
  Engine() : filter_(secret_table()), patterns_(secret_table().size()), once_(secret_table().size()) {}
  const KeywordFilter& filter() const { return filter_; }
  const RE2& pattern(size_t rule) const {
    std::call_once(once_[rule], [&] {
      RE2::Options options;
      options.set_encoding(RE2::Options::EncodingLatin1);
      options.set_log_errors(false);
      const std::string_view text = secret_table()[rule].pattern;
      patterns_[rule] = std::make_unique<RE2>(re2::StringPiece(text.data(), text.size()), options);
    });
    return *patterns_[rule];
  }

 private:
  KeywordFilter filter_;
  mutable std::vector<std::unique_ptr<RE2>> patterns_;
  mutable std::vector<std::once_flag> once_;
};

const Engine& engine() {
  static const Engine one;
  return one;
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// A word begins at `at`: nothing of one stands before it, except the end of an escape (`\n`, `%3D`).
bool begins_word(std::string_view text, size_t at) {
  if (at == 0 || !is_word(text[at - 1])) return true;
  if (at >= 2 && text[at - 2] == '\\' && std::strchr("ntrbf0", text[at - 1]) != nullptr) return true;
  return at >= 3 && text[at - 3] == '%' && base::is_hex(text[at - 2]) && base::is_hex(text[at - 1]);
}

bool ends(SecretEnd end, std::string_view text, size_t at) {
  if (at >= text.size() || end == SecretEnd::any) return true;
  const char c = text[at];
  if (is_word(c)) return false;
  if (end == SecretEnd::word_dash) return c != '-';
  return end != SecretEnd::base64 || (c != '+' && c != '/' && c != '=');
}

bool equals(std::string_view text, std::string_view keyword, bool fold) {
  if (text.size() < keyword.size()) return false;
  if (!fold) return text.starts_with(keyword);
  return std::equal(keyword.begin(), keyword.end(), text.begin(), [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
  });
}

// Counts line ends; written so that compilers make vector code of it.
size_t line_ends(std::string_view text) {
  size_t total = 0;
  while (text.size() >= 32) {
    const size_t rounds = std::min<size_t>(text.size() / 32, 255);
    std::array<uint8_t, 32> counts{};
    for (size_t i = 0; i < rounds; ++i)
      for (size_t lane = 0; lane < 32; ++lane)
        counts[lane] = static_cast<uint8_t>(counts[lane] + (text[i * 32 + lane] == '\n' ? 1 : 0));
    for (const uint8_t n : counts) total += n;
    text.remove_prefix(rounds * 32);
  }
  return total + static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

// What may be shown: never a third of it, so little of a short one.
std::string excerpt(std::string_view secret) {
  const size_t shown = std::min<size_t>(4, secret.size() / 4);
  std::string out;
  for (const char c : secret.substr(0, shown)) out += c > 0x20 && c < 0x7F ? c : '?';
  return out + "…";
}

std::string fingerprint(std::string_view rule, std::string_view path, std::string_view secret) {
  base::Sha256 hash;
  hash.update(rule)
      .update(std::string_view("\0", 1))
      .update(path)
      .update(std::string_view("\0", 1))
      .update(secret);
  return base::to_hex(hash.finish());
}

// `minibuild:allow` in the line of `at` or in the one before, as far as `text` goes.
bool allowed(std::string_view text, size_t at) {
  constexpr std::string_view marker = "minibuild:allow";
  const size_t line = at == 0 ? std::string_view::npos : text.rfind('\n', at - 1);
  size_t begin = 0;
  if (line != std::string_view::npos && line > 0) {
    const size_t previous = text.rfind('\n', line - 1);
    begin = previous == std::string_view::npos ? 0 : previous;
  }
  const size_t end = std::min(text.find('\n', at), text.size());
  return text.substr(begin, end - begin).find(marker) != std::string_view::npos;
}

struct RankedFinding {
  SecretFinding finding;
  uint64_t end = 0;
  int rank = 0;
};

// Of findings that overlap the one with the lowest rank stays, the longer one of two with the same.
std::vector<SecretFinding> without_overlaps(std::vector<RankedFinding> all) {
  std::stable_sort(all.begin(), all.end(), [](const RankedFinding& a, const RankedFinding& b) {
    return std::tuple(a.rank, a.finding.offset, b.end) < std::tuple(b.rank, b.finding.offset, a.end);
  });
  std::map<uint64_t, uint64_t> taken;  // begin → end
  std::vector<SecretFinding> kept;
  for (RankedFinding& one : all) {
    const auto after = taken.lower_bound(one.end);
    if (after != taken.begin() && std::prev(after)->second > one.finding.offset) continue;
    taken.emplace(one.finding.offset, one.end);
    kept.push_back(std::move(one.finding));
  }
  std::stable_sort(kept.begin(), kept.end(),
                   [](const SecretFinding& a, const SecretFinding& b) { return a.offset < b.offset; });
  return kept;
}

}  // namespace

struct SecretScanner::State {
  explicit State(std::string name) : path(std::move(name)), file_rule(secret_file_rule(path)) {}

  std::string path;
  const SecretFileRule* file_rule;
  std::string head;  // the beginning, if `file_rule`
  std::string tail;  // the bytes from `tail_begin` to `total`
  uint64_t tail_begin = 0;
  uint64_t total = 0;
  uint64_t next = 0;        // the position to be tested next, a multiple of the filter's group
  uint64_t counted = 0;     // lines are counted up to here
  uint64_t lines = 0;       // line ends before `counted`
  uint64_t line_begin = 0;  // of the last line that begins before `counted` or there
  bool binary = false;
  uint64_t looked_far = 0;  // bytes in windows of rules that look far
  std::vector<RankedFinding> found;
  std::set<std::pair<size_t, uint64_t>> seen;  // rule and offset of what was found

  // A piece of the file in memory, and what of it a rule may look at around `at`.
  struct View {
    std::string_view bytes;
    uint64_t begin = 0;
    std::string_view around(uint64_t at, uint64_t& first) const {
      first = std::max(begin, at < reach ? 0 : at - reach);
      return bytes.substr(first - begin, std::min(begin + bytes.size(), at + reach) - first);
    }
  };

  void note(std::string_view bytes);
  std::vector<SecretFinding> results();
  void test(const View& view, bool last);
  void test_stretch(const View& view, size_t size);
  void test_positions(const View& view, uint64_t at, const char* bytes, uint32_t positions);
  void count_lines(const View& view, uint64_t up_to);
  void keyword_at(const View& view, uint64_t at, size_t rule, size_t keyword);
  void match(const View& view, uint64_t at, size_t rule);
  void judge(const View& view, uint64_t at, size_t rule, std::string_view window, uint64_t first,
             size_t begin, size_t size);
  void add(const View& view, uint64_t at, size_t rule, uint64_t offset, std::string_view secret);
};

// Tests the positions of `view` from `next` on, as far as enough bytes follow them, or to its end if it is
// the `last`.
void SecretScanner::State::test(const View& view, bool last) {
  const uint64_t end = view.begin + view.bytes.size();
  while (end >= next + ahead + stretch) {
    test_stretch(view, stretch);
    count_lines(view, next < back ? 0 : next - back);
  }
  if (!last) return;
  if (end >= next + KeywordFilter::beyond)
    test_stretch(view, (end - next - KeywordFilter::beyond) / KeywordFilter::group * KeywordFilter::group);
  // The last bytes, where fewer follow than the filter reads.
  for (; next < end; next += KeywordFilter::group) {
    std::array<char, KeywordFilter::group + KeywordFilter::beyond> padded{};
    const size_t size = std::min<uint64_t>(padded.size(), end - next);
    std::memcpy(padded.data(), view.bytes.data() + (next - view.begin), size);
    const KeywordFilter::Hit hit = engine().filter().next(padded.data(), 0, KeywordFilter::group);
    if (hit.positions != 0) test_positions(view, next, padded.data(), hit.positions);
  }
}

void SecretScanner::State::test_stretch(const View& view, size_t size) {
  const char* const bytes = view.bytes.data() + (next - view.begin);
  const KeywordFilter& filter = engine().filter();
  for (size_t at = 0; at < size; at += KeywordFilter::group) {
    const KeywordFilter::Hit hit = filter.next(bytes, at, size);
    at = hit.at;
    if (hit.positions != 0) test_positions(view, next + at, bytes + at, hit.positions);
  }
  next += size;
}

// Looks closer at the positions behind `at` whose bits are set.
void SecretScanner::State::test_positions(const View& view, uint64_t at, const char* bytes,
                                          uint32_t positions) {
  for (; positions != 0; positions &= positions - 1) {
    const auto i = static_cast<uint64_t>(std::countr_zero(positions));
    engine().filter().pieces_at(bytes + i, [&](const KeywordFilter::Piece& piece) {
      if (at + i >= piece.shift) keyword_at(view, at + i - piece.shift, piece.rule, piece.keyword);
    });
  }
}

void SecretScanner::State::count_lines(const View& view, uint64_t up_to) {
  if (up_to <= counted) return;
  const std::string_view text = view.bytes.substr(counted - view.begin, up_to - counted);
  if (const size_t n = line_ends(text); n > 0) {
    lines += n;
    line_begin = counted + text.rfind('\n') + 1;
  }
  counted = up_to;
}

void SecretScanner::State::keyword_at(const View& view, uint64_t at, size_t rule, size_t keyword) {
  const SecretRule& one = secret_table()[rule];
  if (at < view.begin || at >= view.begin + view.bytes.size() || found.size() >= max_findings) return;
  const std::string_view literal = literal_of(one.keywords[keyword]);
  const std::string_view here = view.bytes.substr(at - view.begin);
  if (!equals(here, literal, one.fold)) return;
  if (one.check != SecretCheck::assignment) {
    match(view, at, rule);
    return;
  }
  uint64_t first = 0;
  std::string_view window = view.around(at, first);
  const size_t from = at - first < one.before ? 0 : at - first - one.before;
  window = window.substr(from, one.before + one.after);
  if (const auto value = assigned_value(window, at - first - from, literal.size()))
    judge(view, at, rule, window, first + from, value->begin, value->size);
}

void SecretScanner::State::match(const View& view, uint64_t at, size_t rule) {
  const SecretRule& one = secret_table()[rule];
  uint64_t first = 0;
  const std::string_view window = view.around(at, first);
  const size_t keyword = at - first;
  if (one.boundary && one.before == 0 && !begins_word(window, keyword)) return;
  const RE2& pattern = engine().pattern(rule);
  const re2::StringPiece text(window.data(), window.size());
  size_t from = keyword < one.before ? 0 : keyword - one.before;
  const size_t to = std::min<size_t>(window.size(), keyword + one.after);
  if (one.far) looked_far += to - from;
  if (one.far && looked_far > far_budget + far_share * at) return;
  const RE2::Anchor anchor = one.before == 0 && !one.beside ? RE2::ANCHOR_START : RE2::UNANCHORED;
  std::array<re2::StringPiece, 4> groups;
  const int wanted = std::min(pattern.NumberOfCapturingGroups(), 3) + 1;
  while (from < to && pattern.Match(text, from, to, anchor, groups.data(), wanted)) {
    const auto begin = static_cast<size_t>(groups[0].data() - window.data());
    const size_t end = begin + groups[0].size();
    const bool covers = one.beside || (begin <= keyword && keyword < end);
    if (covers && (!one.boundary || begins_word(window, begin)) &&
        (end == to || ends(one.end, window, end))) {
      size_t secret = begin, size = groups[0].size();
      bool good = true;
      if (one.check == SecretCheck::url) {
        const std::string_view user =
            window.substr(begin + 3, static_cast<size_t>(groups[1].data() - window.data()) - begin - 4);
        good =
            is_url_password(user, {groups[1].data(), groups[1].size()}, {groups[2].data(), groups[2].size()});
      }
      if (one.check == SecretCheck::private_key) {
        const std::string body = key_body(window.substr(begin));
        good = !body.empty();
      } else if (wanted > 1 && groups[1].data() != nullptr) {
        secret = static_cast<size_t>(groups[1].data() - window.data());
        size = groups[1].size();
      }
      if (good) judge(view, at, rule, window, first, secret, size);
    }
    if (anchor == RE2::ANCHOR_START) return;
    from = std::max(begin + 1, covers ? end : begin + 1);
  }
}

// Entropy, placeholders and what else the rule asks of the text at `begin` of the window that begins at
// `first`.
void SecretScanner::State::judge(const View& view, uint64_t at, size_t rule, std::string_view window,
                                 uint64_t first, size_t begin, size_t size) {
  const SecretRule& one = secret_table()[rule];
  const std::string_view text = window.substr(begin, size);
  std::string secret(text);
  switch (one.check) {
    case SecretCheck::private_key:
      secret = key_body(text);
      if (!secret.empty()) add(view, at, rule, first + begin, secret);
      return;
    case SecretCheck::jwt:
      if (!is_jwt(text)) return;
      break;
    case SecretCheck::basic_auth:
      if (!is_basic_auth(text)) return;
      break;
    case SecretCheck::docker_json:
      if (!is_docker_json(text)) return;
      break;
    case SecretCheck::password:
      if (!is_chosen_password(text)) return;
      break;
    default:
      break;
  }
  if (entropy(secret) < one.entropy || is_placeholder(secret)) return;
  add(view, at, rule, first + begin, secret);
}

void SecretScanner::State::add(const View& view, uint64_t at, size_t rule, uint64_t offset,
                               std::string_view secret) {
  if (found.size() >= max_findings || !seen.emplace(rule, offset).second) return;
  uint64_t first = 0;
  const std::string_view window = view.around(at, first);
  if (allowed(window, offset - first)) return;
  const SecretRule& one = secret_table()[rule];
  SecretFinding finding;
  finding.rule = one.id;
  finding.offset = offset;
  const std::string_view between = view.bytes.substr(counted - view.begin, offset - counted);
  const size_t line_end = between.rfind('\n');
  finding.line = static_cast<int>(std::min<uint64_t>(lines + line_ends(between) + 1, INT32_MAX));
  finding.column = static_cast<int>(std::min<uint64_t>(
      (line_end == std::string_view::npos ? offset - line_begin : between.size() - line_end - 1) + 1,
      INT32_MAX));
  finding.excerpt = excerpt(secret);
  finding.fingerprint = fingerprint(one.id, path, secret);
  // A key is the same in whatever document it stands.
  if (is_published(fingerprint(one.check == SecretCheck::private_key ? "private-key" : one.id, "", secret)))
    return;
  found.push_back({std::move(finding), offset + secret.size(), one.rank});
}

SecretScanner::SecretScanner(std::string path) : state_(std::make_unique<State>(std::move(path))) {}
SecretScanner::~SecretScanner() = default;
SecretScanner::SecretScanner(SecretScanner&&) noexcept = default;
SecretScanner& SecretScanner::operator=(SecretScanner&&) noexcept = default;

// What is kept of the beginning, whatever becomes of the rest.
void SecretScanner::State::note(std::string_view bytes) {
  if (total < binary_head && bytes.substr(0, binary_head - total).find('\0') != std::string_view::npos)
    binary = true;
  if (file_rule != nullptr && head.size() < kept_head) head += bytes.substr(0, kept_head - head.size());
}

std::vector<SecretFinding> SecretScanner::State::results() {
  std::vector<SecretFinding> findings = without_overlaps(std::move(found));
  if (binary)
    for (SecretFinding& finding : findings) finding.line = finding.column = 0;
  if (findings.empty() && file_rule != nullptr && holds_secret(file_rule->look, head) &&
      !is_published(fingerprint(file_rule->id, "", head))) {
    SecretFinding finding;
    finding.rule = file_rule->id;
    finding.excerpt = "…";
    finding.fingerprint = fingerprint(finding.rule, path, head);
    findings.push_back(std::move(finding));
  }
  return findings;
}

void SecretScanner::write(std::string_view bytes) {
  State& s = *state_;
  if (bytes.empty()) return;
  s.note(bytes);
  // A large part is tested where it lies, once what was kept of the earlier ones is done with.
  constexpr uint64_t joint = back + ahead + 2 * stretch;
  while (!bytes.empty()) {
    const bool large = bytes.size() >= 2 * joint;
    if (large && s.tail.empty()) {
      const State::View view{bytes, s.total};
      s.total += bytes.size();
      s.test(view, false);
      s.tail_begin = std::max(view.begin, s.next < back ? 0 : s.next - back);
      s.tail = bytes.substr(s.tail_begin - view.begin);
      return;
    }
    const size_t part = std::min<size_t>(bytes.size(), large ? joint : enough);
    const uint64_t begin = s.total;
    s.tail += bytes.substr(0, part);
    s.total += part;
    if (!large && s.tail.size() < enough) return;
    s.test({s.tail, s.tail_begin}, false);
    if (large && s.next >= begin + back) {
      s.tail.clear();  // all that is still needed is in `bytes`
      s.total = begin;
      continue;
    }
    const uint64_t keep = s.next < back ? 0 : s.next - back;
    if (keep > s.tail_begin) {
      s.tail.erase(0, keep - s.tail_begin);
      s.tail_begin = keep;
    }
    bytes.remove_prefix(part);
  }
}

std::vector<SecretFinding> SecretScanner::finish() {
  state_->test({state_->tail, state_->tail_begin}, true);
  state_->tail.clear();
  return state_->results();
}

std::vector<SecretFinding> scan_secrets(std::string_view path, std::string_view bytes) {
  SecretScanner::State state{std::string(path)};
  state.note(bytes);
  state.test({bytes, 0}, true);  // nothing is copied
  return state.results();
}

}  // namespace minibuild::trust
