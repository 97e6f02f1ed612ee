#include "minibuild/base/log_line.h"

#include "minibuild/base/text.h"

namespace minibuild::base {

namespace {

constexpr std::string_view sgr_begin = "\x1b[";
constexpr size_t longest_sgr = 40;

// The size of the colour sequence at the beginning of `text`; 0 if there is none.
size_t sgr_size(std::string_view text) {
  if (!text.starts_with(sgr_begin)) return 0;
  const size_t end = text.find_first_not_of("0123456789;", sgr_begin.size());
  return end < longest_sgr && end < text.size() && text[end] == 'm' ? end + 1 : 0;
}

}  // namespace

std::string log_line(std::string_view line, bool colours) {
  std::string out;
  bool coloured = false;
  size_t plain = 0;  // where what is not yet in `out` begins
  for (size_t at = line.find('\x1b'); at != std::string_view::npos; at = line.find('\x1b', at)) {
    const size_t size = sgr_size(line.substr(at));
    if (size == 0) {
      ++at;
      continue;
    }
    out += printable(line.substr(plain, at - plain));
    if (colours) out += line.substr(at, size);
    coloured = true;
    at += size;
    plain = at;
  }
  out += printable(line.substr(plain));
  if (coloured && colours) out += "\x1b[0m";
  return out;
}

}  // namespace minibuild::base
