#include "builder/trust/keyword_filter.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <set>
#include <string>

namespace minibuild::trust {
namespace {

constexpr uint32_t lower_case = 0x20202020U;

bool is_word(unsigned char c) { return std::isalnum(c) != 0 || c == '_'; }

// The characters of a class as in a regular expression: ranges, `\w` and single ones.
std::string members(std::string_view text) {
  std::string all;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == 'w') {
      for (int c = 0; c < 128; ++c)
        if (is_word(static_cast<unsigned char>(c))) all += static_cast<char>(c);
      ++i;
    } else if (i + 2 < text.size() && text[i + 1] == '-') {
      for (char c = text[i]; c <= text[i + 2]; ++c) all += c;
      i += 2;
    } else {
      all += text[i];
    }
  }
  return all;
}

// What may stand before a credential that begins a word: anything but a word, and the last character of an
// escape such as `\n` or `%3D`.
std::string before_a_word() {
  std::string all = "ntrbf0123456789abcdefABCDEF";
  for (int c = 0; c < 256; ++c)
    if (!is_word(static_cast<unsigned char>(c))) all += static_cast<char>(c);
  return all;
}

// All texts of four characters from the sets, in lower case.
std::set<uint32_t> products(const std::vector<std::string>& sets, size_t from) {
  std::set<uint32_t> all = {0};
  for (size_t i = 0; i < 4; ++i) {
    std::set<uint32_t> longer;
    for (const uint32_t one : all)
      for (const char c : sets[from + i]) {
        char bytes[4];
        std::memcpy(bytes, &one, 4);
        bytes[i] = static_cast<char>(static_cast<unsigned char>(c) | 0x20U);
        uint32_t next = 0;
        std::memcpy(&next, bytes, 4);
        longer.insert(next);
      }
    all = std::move(longer);
  }
  return all;
}

size_t count(const std::vector<std::string>& sets, size_t from) {
  size_t product = 1;
  for (size_t i = 0; i < 4; ++i) product *= sets[from + i].size();
  return product;
}

}  // namespace

std::string_view literal_of(std::string_view keyword) { return keyword.substr(0, keyword.find('[')); }

KeywordFilter::KeywordFilter(const std::vector<SecretRule>& rules) {
  for (size_t rule = 0; rule < rules.size(); ++rule)
    for (size_t keyword = 0; keyword < rules[rule].keywords.size(); ++keyword)
      add(rules[rule], static_cast<uint16_t>(rule), static_cast<uint16_t>(keyword));
  std::stable_sort(pieces_.begin(), pieces_.end(),
                   [](const Piece& a, const Piece& b) { return head_of(a.bytes) < head_of(b.bytes); });
  size_t at = 0;
  for (uint32_t head = 0; head < heads_.size(); ++head) {
    while (at < pieces_.size() && head_of(pieces_[at].bytes) < head) ++at;
    heads_[head] = static_cast<uint32_t>(at);
  }
}

void KeywordFilter::add(const SecretRule& rule, uint16_t rule_number, uint16_t keyword_number) {
  const std::string_view keyword = rule.keywords[keyword_number];
  const std::string_view literal = literal_of(keyword);
  // The sets of characters, one a position, beginning one before the keyword.
  std::vector<std::string> sets;
  sets.push_back(rule.boundary && rule.before == 0 ? before_a_word() : std::string(256, '?'));
  for (const char c : literal) sets.emplace_back(1, c);
  if (literal.size() < keyword.size())
    sets.push_back(members(keyword.substr(literal.size() + 1, keyword.size() - literal.size() - 2)));
  if (literal == "://") sets[0] = members("a-z0-9+");
  size_t best = 0;
  for (size_t from = 0; from + 5 <= sets.size() && from < max_shift; ++from)
    if (count(sets, from) + count(sets, from + 1) < count(sets, best) + count(sets, best + 1)) best = from;
  for (const size_t from : {best, best + 1})
    for (const uint32_t bytes : products(sets, from)) {
      bits_[hash(bytes) >> 6U] |= uint64_t{1} << (hash(bytes) & 63U);
      pieces_.push_back(
          {bytes, rule_number, keyword_number, static_cast<int16_t>(static_cast<int>(from) - 1)});
    }
}

uint32_t KeywordFilter::folded(const char* place) {
  uint32_t bytes = 0;
  std::memcpy(&bytes, place, 4);
  return bytes | lower_case;
}

bool KeywordFilter::hex_group(const char* place) {
  return std::all_of(place, place + group,
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

size_t KeywordFilter::next(const char* bytes, size_t begin, size_t end) const {
  const uint64_t* const bits = bits_.data();
  for (size_t at = begin; at < end; at += group) {
    uint64_t hits = 0;
#pragma GCC unroll 8
    for (size_t i = 0; i < group; i += 2) {
      uint32_t piece = 0;
      std::memcpy(&piece, bytes + at + i, 4);
      const uint32_t mark = hash(piece | lower_case);
      hits |= bits[mark >> 6U] >> (mark & 63U);
    }
    // Digits and `a` to `o` alone have bit 5, and one of bits 4 and 6; that is rare enough in words.
    uint64_t eight = 0;
    std::memcpy(&eight, bytes + at + 4, 8);
    const uint64_t digits = ((eight >> 2U) ^ eight) & 0x1010101010101010U;
    const bool hex = (eight & 0xA0A0A0A0A0A0A0A0U) == 0x2020202020202020U && digits == 0x1010101010101010U;
    if ((hits & 1U) != 0 || hex) [[unlikely]]
      return at;
  }
  return end;
}

}  // namespace minibuild::trust
