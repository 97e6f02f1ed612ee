// Finds where keywords of the rules may stand, at several gigabytes a second. Every second position is tested: the
// four bytes there, in lower case and hashed, against a table of bits. Of each keyword two neighbouring pieces of
// four bytes are in the table, so one of them lies at a tested position. A keyword of three bytes, or of four, is
// made longer by what may stand before it or follow it, which gives many pieces instead of one.
//
// Runs of hexadecimal digits (`SK` and 32 of them have no keyword worth the name) are seen by one test of eight
// bytes in sixteen: 31 digits cover an aligned group of sixteen, wherever they begin.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "builder/trust/secret_table.h"

namespace minibuild::trust {

class KeywordFilter {
 public:
  /// A piece of a keyword: it stands at `place - shift` if it stands there at all.
  struct Piece {
    uint32_t bytes;  // in lower case
    uint16_t rule;   // in the table of rules
    uint16_t keyword;
    int16_t shift;  // of the piece in the keyword; -1 for one that begins before it
  };
  static constexpr int max_shift = 32;  // no larger shift is used
  static constexpr size_t group = 16;   // positions are tested in groups of so many bytes
  static constexpr size_t beyond = 4;   // bytes behind a group that are read as well

  explicit KeywordFilter(const std::vector<SecretRule>& rules);

  /// The offset of the first group, from `begin` on, that may hold a piece or hexadecimal digits; `end` if there is
  /// none. `end - begin` is a multiple of 16; `beyond` bytes after `end` must be readable.
  size_t next(const char* bytes, size_t begin, size_t end) const;

  /// Calls `found(piece)` for each keyword of which a piece stands at `place`. Four bytes are read.
  template <typename Found>
  void pieces_at(const char* place, const Found& found) const {
    const uint32_t bytes = folded(place);
    if (!marked(bytes)) return;
    for (uint32_t at = heads_[head_of(bytes)]; at < pieces_.size() && head_of(pieces_[at].bytes) == head_of(bytes);
         ++at)
      if (pieces_[at].bytes == bytes) found(pieces_[at]);
  }
  /// True if all sixteen bytes there are lower-case hexadecimal digits.
  static bool hex_group(const char* place);

 private:
  static uint32_t folded(const char* place);
  static uint32_t hash(uint32_t bytes) { return (bytes * 0x9E3779B1U) >> 15U; }
  static uint32_t head_of(uint32_t bytes) { return hash(bytes) >> 5U; }
  bool marked(uint32_t bytes) const { return (bits_[hash(bytes) >> 6U] >> (hash(bytes) & 63U)) & 1U; }
  void add(const SecretRule& rule, uint16_t rule_number, uint16_t keyword_number);

  std::array<uint64_t, 2048> bits_{};       // 2^17 bits, 16 KiB: stays in the first cache
  std::vector<Piece> pieces_;               // by head
  std::array<uint32_t, 4097> heads_{};      // where the pieces of a head begin
};

/// The keyword without what may follow it: `ghp_` of `ghp_[A-Za-z0-9]`.
std::string_view literal_of(std::string_view keyword);

}  // namespace minibuild::trust
