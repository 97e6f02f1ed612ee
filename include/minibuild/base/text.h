// Text: splitting, suggestions, human-readable sizes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace minibuild::base {

/// The parts of `text` between separators; an empty text has one empty part.
std::vector<std::string> split(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
/// `text` without leading and trailing spaces, tabs and line ends.
std::string_view trim(std::string_view text);

/// These classify ASCII bytes, regardless of the locale.
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
constexpr bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool is_letter(char c) { return is_lower(c) || is_upper(c); }
constexpr bool is_alphanumeric(char c) { return is_letter(c) || is_digit(c); }
constexpr bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
constexpr char lower_case(char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; }
/// `text` with ASCII capital letters converted to lower case.
std::string lower_case(std::string_view text);

/// The candidate that `word` was most likely meant to be; empty if none is close.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

/// Parses an unsigned decimal number of at most `max`. Returns std::nullopt if `text` is anything else.
std::optional<uint64_t> parse_number(std::string_view text, uint64_t max = UINT64_MAX);
/// Parses a size such as `512`, `20MB`, `1.5GiB` (KB, MB, GB are powers of 1000; KiB, MiB, GiB of 1024) into
/// bytes.
std::optional<uint64_t> parse_size(std::string_view text);
/// Parses an RFC 3339 time (`2026-11-24T10:00:00Z`) or a plain number of seconds into seconds since 1970.
std::optional<int64_t> parse_time(std::string_view text);
/// `seconds` since 1970 as RFC 3339 in UTC.
std::string format_time(int64_t seconds);

/// A human-readable size: `412 B`, `6.1 kB`, `20.3 MB`.
std::string human_size(uint64_t bytes);
/// A human-readable duration: `8 ms`, `1.24 s`, `2 min 5 s`.
std::string human_seconds(double seconds);

/// True if `text` is well-formed UTF-8 (Unicode 15, table 3-7).
bool is_utf8(std::string_view text);
/// The length in bytes of the control character at the start of `text`, 0 if there is none: C0, DEL, C1, and
/// the Unicode characters that change text direction (bidi embeddings, overrides, isolates, marks).
size_t control_size(std::string_view text);
/// `text` with control characters escaped as `\n`, `\x1b`…, so that it is safe to show on a terminal.
std::string printable(std::string_view text);
/// `word` in single quotes for /bin/sh, or unchanged if it needs no quoting.
std::string shell_quote(std::string_view word);

/// RFC 4648, section 4, with padding.
std::string base64(std::string_view bytes);
/// RFC 4648, section 5, without padding.
std::string base64url(std::string_view bytes);
/// Returns std::nullopt if `text` is not base64 (RFC 4648, section 4; padding may be missing).
std::optional<std::string> unbase64(std::string_view text);

}  // namespace minibuild::base
