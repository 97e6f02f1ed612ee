// Finds where keywords of the rules may occur, at several gigabytes per second. For each keyword, its four
// rarest adjacent bytes are searched for. The keywords are divided into sixteen sets; for each set and each
// of the four bytes, two tables of sixteen entries say which low and high nibbles occur. A look-up in a table
// of sixteen entries is one instruction for 16 or 32 bytes (pshufb, tbl), so every position is tested.
// Candidates are then looked up by their four bytes, in lower case.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "builder/trust/secret_table.h"

namespace minibuild::trust {

class KeywordFilter {
 public:
  /// Four bytes of a keyword; if the keyword is present, it starts at `place - shift`.
  struct Piece {
    uint32_t bytes;  // in lower case
    uint16_t rule;   // in the table of rules
    uint16_t keyword;
    uint16_t shift;
  };
  static constexpr size_t max_shift = 32;
  static constexpr size_t group = 32;   // positions are tested in groups of this size
  static constexpr size_t beyond = 16;  // bytes after a group that are read as well

  /// Positions in a group at which a piece may occur: bit i is position `at + i`.
  struct Hit {
    size_t at;
    uint32_t positions;
  };
  /// Which instructions to use; apart from false positives, all give the same positions.
  enum class Kind { scalar, vector };

  explicit KeywordFilter(const std::vector<SecretRule>& rules, Kind kind = Kind::vector);

  /// The first group from `begin` on that may contain a piece; `at == end` if there is none. `end - begin`
  /// must be a multiple of `group`; `beyond` bytes after `end` must be readable.
  Hit next(const char* bytes, size_t begin, size_t end) const { return next_(*this, bytes, begin, end); }

  /// Calls `found(piece)` for each keyword whose piece is at `place`. Reads four bytes.
  template <typename Found>
  void pieces_at(const char* place, const Found& found) const {
    const uint32_t bytes = folded(place);
    if (!marked(bytes)) return;
    for (uint32_t at = heads_[head_of(bytes)]; at < heads_[head_of(bytes) + 1]; ++at)
      if (pieces_[at].bytes == bytes) found(pieces_[at]);
  }

  /// Entry n of a table is for nibbles of value n; its bit b is for keyword set b.
  struct Tables {
    alignas(16) std::array<std::array<std::array<uint8_t, 16>, 4>, 2> low{}, high{};  // [set / 8][byte]
  };

 private:
  using Next = Hit (*)(const KeywordFilter&, const char*, size_t, size_t);
  static Hit next_scalar(const KeywordFilter& filter, const char* bytes, size_t begin, size_t end);
  static Hit next_vector(const KeywordFilter& filter, const char* bytes, size_t begin, size_t end);
  static uint32_t folded(const char* place);
  static uint32_t hash(uint32_t bytes) { return (bytes * 0x9E3779B1U) >> 15U; }
  static uint32_t head_of(uint32_t bytes) { return hash(bytes) >> 5U; }
  bool marked(uint32_t bytes) const { return ((bits_[hash(bytes) >> 6U] >> (hash(bytes) & 63U)) & 1U) != 0; }

  Tables tables_;
  Next next_ = next_scalar;
  std::array<uint64_t, 2048> bits_{};   // 2^17 bits: which hashes occur
  std::vector<Piece> pieces_;           // by head
  std::array<uint32_t, 4097> heads_{};  // where the pieces of a head begin
};

/// The keyword without the classes that follow it: `ghp_` for `ghp_[A-Za-z0-9]`.
std::string_view literal_of(std::string_view keyword);

}  // namespace minibuild::trust
