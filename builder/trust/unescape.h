// Removes escapes from text, so that the same value in different notations becomes identical.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace minibuild::trust {

/// Resolves the escapes in a stream, in place and however deeply nested: `%41`, `\x41`, `\u0041`, `\101`,
/// `&#65;`, `&amp;`, a backslash before anything else, `=` before the end of a line. Drops white space,
/// control characters, quotes, commas, colons and zeros, which separate the parts of a value that is wrapped,
/// dumped, listed, or in UTF-16. The result does not depend on how the text is escaped.
class Unescaper {
 public:
  /// Returns the next chunk without its escapes. An escape that may continue in the next chunk is held back.
  std::string_view add(std::string_view bytes);
  /// Returns what is held back, interpreted as if nothing followed. May be called between chunks.
  std::string rest() const;

 private:
  std::string text_;
  size_t left_ = 0;  // bytes at the end of `text_` that are held back
};

/// The same for a complete text.
std::string unescaped(std::string_view bytes);

}  // namespace minibuild::trust
