// Lines that other programs wrote, for people to read.
#pragma once

#include <string>
#include <string_view>

namespace minibuild::base {

/// `line` as printable() gives it, except for its colours (`ESC [ 1 ; 31 m`): they stay, and end with the
/// line, if `colours`; else they are left out.
std::string log_line(std::string_view line, bool colours);

}  // namespace minibuild::base
