// An executor that runs nothing: for each command a test says what it would do to the files.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "minibuild/archive/tar.h"
#include "minibuild/base/file.h"
#include "minibuild/sandbox/executor.h"

namespace minibuild::fakes {

class ScriptedExecutor final : public sandbox::Executor {
 public:
  /// What a command makes of the files; false: it fails with status 1.
  using Effect = std::function<bool(tree::FileTree& root)>;
  std::map<std::string, Effect> commands;  // by their text
  /// The texts of all commands that were run, in order.
  std::vector<std::string> ran() const {
    const std::lock_guard lock(mutex_);
    return ran_;
  }
  void forget() {
    const std::lock_guard lock(mutex_);
    ran_.clear();
  }

  sandbox::Outcome run(const sandbox::Request& request, const sandbox::OutputLine& output) const override {
    tree::FileTree root = *request.root;
    for (size_t i = 0; i < request.commands.size(); ++i) {
      const std::string& text = request.commands[i].text;
      {
        const std::lock_guard lock(mutex_);
        ran_.push_back(text);
      }
      if (request.cancelled != nullptr && *request.cancelled) throw base::Interrupted();
      const auto effect = commands.find(text);
      if (effect == commands.end() || !effect->second(root)) {
        output("no: " + text);
        return {false, i, 1};
      }
    }
    base::FdSink sink(request.result_fd, "the stage's result");
    archive::write_tar(root, sink);
    return {true};
  }

  /// An effect that writes a file.
  static Effect writes(std::string path, std::string content) {
    return [path = std::move(path), content = std::move(content)](tree::FileTree& root) {
      root.put(path, tree::file_node(tree::inline_content(content), 1), 1);
      return true;
    };
  }
  /// An effect that writes the content of one file into another.
  static Effect copies(std::string from, std::string to) {
    return [from = std::move(from), to = std::move(to)](tree::FileTree& root) {
      const tree::Node* node = root.find(from);
      if (node == nullptr) return false;
      tree::Node copy = *node;
      root.put(to, std::move(copy), 1);
      return true;
    };
  }

 private:
  mutable std::mutex mutex_;
  mutable std::vector<std::string> ran_;
};

}  // namespace minibuild::fakes
