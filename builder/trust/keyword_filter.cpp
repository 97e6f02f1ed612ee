#include "builder/trust/keyword_filter.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <cstring>
#include <limits>
#include <set>
#include <string>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__ARM_NEON) && defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace minibuild::trust {
namespace {

constexpr size_t sets = 16;
using Bytes = std::array<std::array<bool, 256>, 4>;  // which bytes may stand at each of four places

// The characters of a class as in a regular expression: ranges, `\w` and single ones.
std::string members(std::string_view text) {
  std::string all;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == 'w') {
      for (int c = 0; c < 128; ++c)
        if (std::isalnum(c) != 0 || c == '_') all += static_cast<char>(c);
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

// What may stand at each place of a keyword: its characters, then its classes.
std::vector<std::string> places_of(std::string_view keyword, bool fold) {
  std::vector<std::string> places;
  const std::string_view literal = literal_of(keyword);
  for (const char c : literal) {
    places.emplace_back(1, c);
    if (const int other = std::toupper(static_cast<unsigned char>(c)); fold && other != c)
      places.back() += static_cast<char>(other);
  }
  for (size_t at = literal.size(); at < keyword.size();) {
    const size_t end = keyword.find(']', at);
    places.push_back(members(keyword.substr(at + 1, end - at - 1)));
    at = end + 1;
  }
  return places;
}

// How often a byte occurs, roughly: half of what is searched is text, half anything.
double frequency(uint8_t byte) {
  static constexpr std::string_view order = " etaoinsrhldcumfpgwybvkxjqz";
  const size_t rank = byte == 0 ? std::string_view::npos : order.find(static_cast<char>(byte));
  double text = 0.002;
  if (rank != std::string_view::npos) text = 0.09 * (1 - static_cast<double>(rank) / 30);
  if (byte >= '0' && byte <= '9') text = 0.01;
  if (byte >= 0x80) text = 0.0005;
  return 0.5 * text + 0.5 / 256;
}

double frequency(const std::string& bytes) {
  double sum = 0;
  for (const char c : bytes) sum += frequency(static_cast<uint8_t>(c));
  return sum;
}

// All texts of four characters from the places, in lower case.
std::set<uint32_t> products(const std::vector<std::string>& places, size_t from) {
  std::set<uint32_t> all = {0};
  for (size_t i = 0; i < 4; ++i) {
    std::set<uint32_t> longer;
    for (const uint32_t one : all)
      for (const char c : places[from + i]) {
        std::array<uint8_t, 4> bytes{};
        std::memcpy(bytes.data(), &one, 4);
        bytes[i] = static_cast<uint8_t>(c) | 0x20U;
        uint32_t next = 0;
        std::memcpy(&next, bytes.data(), 4);
        longer.insert(next);
      }
    all = std::move(longer);
  }
  return all;
}

// The half-bytes of a set of keywords, and how often four bytes pass it.
struct Halves {
  std::array<uint16_t, 4> low{}, high{};

  Halves with(const std::vector<std::string>& places, size_t from) const {
    Halves more = *this;
    for (size_t i = 0; i < 4; ++i)
      for (const char c : places[from + i]) {
        more.low[i] = static_cast<uint16_t>(more.low[i] | 1U << (static_cast<uint8_t>(c) & 15U));
        more.high[i] = static_cast<uint16_t>(more.high[i] | 1U << (static_cast<uint8_t>(c) >> 4U));
      }
    return more;
  }
  double passing(const std::array<double, 256>& often) const {
    double all = 1;
    for (size_t i = 0; i < 4; ++i) {
      double sum = 0;
      for (uint32_t byte = 0; byte < 256; ++byte)
        if (((low[i] >> (byte & 15U)) & 1U) != 0 && ((high[i] >> (byte >> 4U)) & 1U) != 0) sum += often[byte];
      all *= sum;
    }
    return all;
  }
};

}  // namespace

std::string_view literal_of(std::string_view keyword) { return keyword.substr(0, keyword.find('[')); }

KeywordFilter::KeywordFilter(const std::vector<SecretRule>& rules, Kind kind) {
  std::array<double, 256> often{};
  for (uint32_t byte = 0; byte < 256; ++byte) often[byte] = frequency(static_cast<uint8_t>(byte));
  std::array<Halves, sets> dealt{};
  for (size_t rule = 0; rule < rules.size(); ++rule)
    for (size_t keyword = 0; keyword < rules[rule].keywords.size(); ++keyword) {
      const std::vector<std::string> places = places_of(rules[rule].keywords[keyword], rules[rule].fold);
      size_t from = 0;
      double least = std::numeric_limits<double>::max();
      for (size_t i = 0; i + 4 <= places.size() && i < max_shift; ++i) {
        double all = 1;
        for (size_t k = 0; k < 4; ++k) all *= frequency(places[i + k]);
        if (all < least) {
          least = all;
          from = i;
        }
      }
      for (const uint32_t bytes : products(places, from)) {
        bits_[hash(bytes) >> 6U] |= uint64_t{1} << (hash(bytes) & 63U);
        pieces_.push_back({bytes, static_cast<uint16_t>(rule), static_cast<uint16_t>(keyword),
                           static_cast<uint16_t>(from)});
      }
      // Into the set that lets the least more pass because of it.
      size_t best = 0;
      double cost = std::numeric_limits<double>::max();
      for (size_t set = 0; set < sets; ++set)
        if (const double more = dealt[set].with(places, from).passing(often) - dealt[set].passing(often);
            more < cost) {
          cost = more;
          best = set;
        }
      dealt[best] = dealt[best].with(places, from);
    }
  for (size_t set = 0; set < sets; ++set)
    for (size_t byte = 0; byte < 4; ++byte)
      for (size_t half = 0; half < 16; ++half) {
        const uint32_t bit = 1U << (set % 8);
        if (((dealt[set].low[byte] >> half) & 1U) != 0)
          tables_.low[set / 8][byte][half] |= static_cast<uint8_t>(bit);
        if (((dealt[set].high[byte] >> half) & 1U) != 0)
          tables_.high[set / 8][byte][half] |= static_cast<uint8_t>(bit);
      }
  std::stable_sort(pieces_.begin(), pieces_.end(),
                   [](const Piece& a, const Piece& b) { return head_of(a.bytes) < head_of(b.bytes); });
  size_t at = 0;
  for (uint32_t head = 0; head < heads_.size(); ++head) {
    while (at < pieces_.size() && head_of(pieces_[at].bytes) < head) ++at;
    heads_[head] = static_cast<uint32_t>(at);
  }
#if defined(__x86_64__)
  if (kind == Kind::vector && __builtin_cpu_supports("avx2") != 0) next_ = next_vector;
#elif defined(__ARM_NEON) && defined(__aarch64__)
  if (kind == Kind::vector) next_ = next_vector;
#else
  static_cast<void>(kind);
#endif
}

uint32_t KeywordFilter::folded(const char* place) {
  uint32_t bytes = 0;
  std::memcpy(&bytes, place, 4);
  return bytes | 0x20202020U;
}

KeywordFilter::Hit KeywordFilter::next_scalar(const KeywordFilter& filter, const char* bytes, size_t begin,
                                              size_t end) {
  for (size_t at = begin; at < end; at += group) {
    uint32_t positions = 0;
    for (size_t i = 0; i < group; ++i)
      positions |= static_cast<uint32_t>(filter.marked(folded(bytes + at + i))) << i;
    if (positions != 0) return {at, positions};
  }
  return {end, 0};
}

#if defined(__x86_64__)

__attribute__((target("avx2"))) KeywordFilter::Hit KeywordFilter::next_vector(const KeywordFilter& filter,
                                                                              const char* bytes, size_t begin,
                                                                              size_t end) {
  __m256i low_tables[2][4], high_tables[2][4];
  for (size_t part = 0; part < 2; ++part)
    for (size_t i = 0; i < 4; ++i) {
      low_tables[part][i] = _mm256_broadcastsi128_si256(
          _mm_load_si128(reinterpret_cast<const __m128i*>(filter.tables_.low[part][i].data())));
      high_tables[part][i] = _mm256_broadcastsi128_si256(
          _mm_load_si128(reinterpret_cast<const __m128i*>(filter.tables_.high[part][i].data())));
    }
  const __m256i half = _mm256_set1_epi8(15);
  for (size_t at = begin; at < end; at += group) {
    __m256i first = _mm256_set1_epi8(-1), second = first;
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; ++i) {
      const __m256i here = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes + at + i));
      const __m256i low = _mm256_and_si256(here, half);
      const __m256i high = _mm256_and_si256(_mm256_srli_epi16(here, 4), half);
      first = _mm256_and_si256(first, _mm256_and_si256(_mm256_shuffle_epi8(low_tables[0][i], low),
                                                       _mm256_shuffle_epi8(high_tables[0][i], high)));
      second = _mm256_and_si256(second, _mm256_and_si256(_mm256_shuffle_epi8(low_tables[1][i], low),
                                                         _mm256_shuffle_epi8(high_tables[1][i], high)));
    }
    const __m256i none = _mm256_cmpeq_epi8(_mm256_or_si256(first, second), _mm256_setzero_si256());
    if (const uint32_t positions = ~static_cast<uint32_t>(_mm256_movemask_epi8(none)); positions != 0)
        [[unlikely]]
      return {at, positions};
  }
  return {end, 0};
}

#elif defined(__ARM_NEON) && defined(__aarch64__)

KeywordFilter::Hit KeywordFilter::next_vector(const KeywordFilter& filter, const char* bytes, size_t begin,
                                              size_t end) {
  const Tables& tables = filter.tables_;
  const uint8x16_t half = vdupq_n_u8(15);
  for (size_t at = begin; at < end; at += group) {
    uint32_t positions = 0;
    for (size_t part = 0; part < group; part += 16) {
      uint8x16_t first = vdupq_n_u8(255), second = first;
      for (size_t i = 0; i < 4; ++i) {
        const uint8x16_t here = vld1q_u8(reinterpret_cast<const uint8_t*>(bytes + at + part + i));
        const uint8x16_t low = vandq_u8(here, half), high = vshrq_n_u8(here, 4);
        first = vandq_u8(first, vandq_u8(vqtbl1q_u8(vld1q_u8(tables.low[0][i].data()), low),
                                         vqtbl1q_u8(vld1q_u8(tables.high[0][i].data()), high)));
        second = vandq_u8(second, vandq_u8(vqtbl1q_u8(vld1q_u8(tables.low[1][i].data()), low),
                                           vqtbl1q_u8(vld1q_u8(tables.high[1][i].data()), high)));
      }
      const uint8x16_t passed = vorrq_u8(first, second);
      if (vmaxvq_u8(passed) == 0) continue;
      std::array<uint8_t, 16> lanes{};
      vst1q_u8(lanes.data(), passed);
      for (size_t i = 0; i < 16; ++i)
        if (lanes[i] != 0) positions |= 1U << (part + i);
    }
    if (positions != 0) return {at, positions};
  }
  return {end, 0};
}

#endif

}  // namespace minibuild::trust
