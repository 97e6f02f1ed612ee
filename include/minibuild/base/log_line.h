// Lines written by other programs, made fit for people to read.
#pragma once

#include <string>
#include <string_view>

namespace minibuild::base {

/// `line` as returned by printable(), except for its colours (`ESC [ 1 ; 31 m`): if `colours` is set they are
/// kept and reset at the end of the line, otherwise they are removed.
std::string log_line(std::string_view line, bool colours);

}  // namespace minibuild::base
