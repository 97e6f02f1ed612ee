// A progress that keeps what it is told.
#pragma once

#include <algorithm>
#include <mutex>
#include <string>
#include <vector>

#include "minibuild/build/build.h"

namespace minibuild::fakes {

class RecordedProgress final : public build::Progress {
 public:
  void note(const std::string& subject, const std::string& text) override {
    const std::lock_guard lock(mutex_);
    notes_.push_back(subject + ": " + text);
  }
  void output(const std::string& stage, std::string_view line) override {
    note(stage + " says", std::string(line));
  }
  void layer(uint64_t /*done*/, uint64_t /*total*/) override {}

  /// The notes so far, which are then forgotten; sorted, since stages run side by side.
  std::vector<std::string> taken() {
    const std::lock_guard lock(mutex_);
    std::sort(notes_.begin(), notes_.end());
    return std::move(notes_);
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> notes_;
};

}  // namespace minibuild::fakes
