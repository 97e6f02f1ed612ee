// The commands' output as lines, without secrets.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "minibuild/sandbox/sandbox.h"

namespace minibuild::sandbox {

/// Makes lines of what arrives in pieces. Each value of a secret, each line of one, and their base64 forms
/// become `***`; what is shorter than four characters is not looked for. A line over 16 KiB is cut into
/// several.
class LineSplitter {
 public:
  LineSplitter(const std::vector<Secret>& secrets, OutputLine output);
  void add(std::string_view bytes);
  /// The last line may have no end.
  void finish();

 private:
  void give(std::string_view line);
  std::vector<std::string> hidden_;  // longest first
  size_t longest_ = 0;
  OutputLine output_;
  std::string rest_;
};

}  // namespace minibuild::sandbox
