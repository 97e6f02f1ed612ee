#include "builder/sandbox/redact.h"

#include <algorithm>

#include "minibuild/base/text.h"

namespace minibuild::sandbox {

namespace {

constexpr size_t max_line = size_t{16} << 10;
constexpr size_t least_secret = 4;

// Without padding: what is looked for may go on.
std::string bare_base64(std::string_view bytes) {
  std::string out = base::base64(bytes);
  while (out.ends_with('=')) out.pop_back();
  return out;
}

void hide(std::string& line, const std::vector<std::string>& hidden) {
  for (const std::string& one : hidden)
    for (size_t at = line.find(one); at != std::string::npos; at = line.find(one, at + 3))
      line.replace(at, one.size(), "***");
}

}  // namespace

LineSplitter::LineSplitter(const std::vector<Secret>& secrets, OutputLine output)
    : output_(std::move(output)) {
  for (const Secret& secret : secrets) {
    std::vector<std::string> forms = base::split(secret.value, '\n');
    forms.push_back(secret.value);
    forms.emplace_back(base::trim(secret.value));
    for (const std::string& form : forms) {
      if (form.size() < least_secret) continue;
      hidden_.push_back(form);
      hidden_.push_back(bare_base64(form));
      hidden_.push_back(bare_base64(form + "\n"));
    }
  }
  std::sort(hidden_.begin(), hidden_.end(), [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() > b.size() : a < b;
  });
  hidden_.erase(std::unique(hidden_.begin(), hidden_.end()), hidden_.end());
  if (!hidden_.empty()) longest_ = hidden_.front().size();
}

void LineSplitter::add(std::string_view bytes) {
  rest_ += bytes;
  size_t start = 0;
  for (size_t end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n', start)) {
    give(std::string_view(rest_).substr(start, end - start));
    start = end + 1;
  }
  rest_.erase(0, start);
  // A line without end goes out in parts, but never so that a secret is cut in two.
  if (rest_.size() > max_line + longest_) {
    hide(rest_, hidden_);
    if (rest_.size() > max_line + longest_) {
      give(std::string_view(rest_).substr(0, max_line));
      rest_.erase(0, max_line);
    }
  }
}

void LineSplitter::finish() {
  if (!rest_.empty()) give(rest_);
  rest_.clear();
}

void LineSplitter::give(std::string_view line) {
  std::string text(line);
  hide(text, hidden_);
  // Programs draw progress over itself: the last state is what counts.
  if (text.ends_with('\r')) text.pop_back();
  const size_t back = text.rfind('\r');
  output_(back == std::string::npos ? std::string_view(text) : std::string_view(text).substr(back + 1));
}

}  // namespace minibuild::sandbox
