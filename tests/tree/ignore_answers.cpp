// What IgnoreList says, asked and told as tests/e2e/ignore_judge is: stdin is a line of paths, then a line
// for each ignore file, all in hexadecimal.
#include <iostream>
#include <string>

#include "minibuild/base/text.h"
#include "minibuild/tree/glob.h"

namespace {

std::string unhex(const std::string& text) {
  std::string bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2)
    bytes += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
  return bytes;
}

std::string answer(const std::string& file, const std::vector<std::string>& paths) {
  std::vector<minibuild::tree::IgnoreProblem> problems;
  const auto list = minibuild::tree::IgnoreList::parse(file, problems);
  if (!problems.empty()) return "error";
  std::string bits;
  for (const std::string& path : paths) {
    bits += list.ignores(path) ? '1' : '0';
    // What is passed over as a whole has nothing below it that would be taken.
    if (!list.ignores_all_below(path)) continue;
    for (const std::string& other : paths)
      if (other.starts_with(path + "/") && !list.ignores(other))
        return "passes over " + path + ", not " + other;
  }
  return bits;
}

}  // namespace

int main() {
  std::string line;
  std::getline(std::cin, line);
  std::vector<std::string> paths;
  for (const std::string& path : minibuild::base::split(line, ' ')) paths.push_back(unhex(path));
  while (std::getline(std::cin, line)) std::cout << answer(unhex(line), paths) << '\n';
}
