// Text with its escapes taken out: what many notations write in many ways becomes the same.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace minibuild::trust {

/// Takes escapes out of a stream, in place and as often as they are nested: `%41`, `\x41`, `\u0041`, `\101`,
/// `&#65;`, `&amp;`, a backslash before anything else, `=` before the end of a line; and leaves out white
/// space, control characters, quotes, commas, colons and zeros, which stand between the parts of a value that
/// is wrapped, dumped, listed, or in UTF-16. What it makes of a text does not depend on how the text is
/// escaped.
class Unescaper {
 public:
  /// The next part without its escapes. An escape that may go on in the next part is not in it.
  std::string_view add(std::string_view bytes);
  /// What is left, taken as it would be if nothing followed. May be called between parts.
  std::string rest() const;

 private:
  std::string text_;
  size_t left_ = 0;  // bytes at the end of `text_` that wait for more
};

/// All of one text.
std::string unescaped(std::string_view bytes);

}  // namespace minibuild::trust
