#include "builder/build/started.h"

#include <algorithm>
#include <array>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::build {

namespace {

constexpr size_t max_script = size_t{1} << 20;
constexpr int max_depth = 12;

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_shell(std::string_view name) { return is_one_of(name, {"sh", "bash", "dash", "ash", "ksh", "zsh"}); }

// Programs that run the rest of their words, once options are over.
bool is_wrapper(std::string_view name) {
  return is_one_of(
      name, {"env",     "tini",    "tini-static", "dumb-init", "catatonit", "docker-init", "gosu",  "su-exec",
             "setpriv", "nice",    "ionice",      "stdbuf",    "time",      "timeout",     "nohup", "setsid",
             "exec",    "command", "sudo",        "chpst",     "unshare",   "taskset",     "xargs"});
}

bool is_assignment(std::string_view word) {
  const size_t equals = word.find('=');
  return equals != std::string_view::npos && equals > 0 && word.find('/') > equals;
}

// The simple commands of a shell script, as words without quotes. Good enough to find names of programs; what
// is worked out when it runs ($X) stays as it is written.
std::vector<std::vector<std::string>> shell_commands(std::string_view text) {
  std::vector<std::vector<std::string>> commands(1);
  std::string word;
  bool in_word = false;
  char quote = 0;
  const auto end_word = [&] {
    if (in_word) commands.back().push_back(std::move(word));
    word.clear();
    in_word = false;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == quote)
        quote = 0;
      else
        word += c;
      continue;
    }
    if (c == '\\' && i + 1 < text.size()) {
      if (text[++i] != '\n') word += text[i], in_word = true;
    } else if (c == '\'' || c == '"') {
      quote = c;
      in_word = true;
    } else if (c == '#' && !in_word) {
      while (i + 1 < text.size() && text[i + 1] != '\n') ++i;
    } else if (c == ' ' || c == '\t' || c == '\r') {
      end_word();
    } else if (c == '\n' || c == ';' || c == '&' || c == '|' || c == '(' || c == ')' || c == '`') {
      end_word();
      if (!commands.back().empty()) commands.emplace_back();
    } else {
      word += c;
      in_word = true;
    }
  }
  end_word();
  for (std::vector<std::string>& one : commands) {
    const auto begins = [](const std::string& first) {
      return is_one_of(first, {"if", "then", "else", "elif", "while", "until", "do", "!", "{", "time"}) ||
             is_assignment(first);
    };
    one.erase(one.begin(), std::find_if_not(one.begin(), one.end(), begins));
  }
  std::erase_if(commands, [](const auto& one) { return one.empty(); });
  return commands;
}

class StartFinder {
 public:
  StartFinder(const tree::FileTree& tree, const StartedCommand& command, Reach reach)
      : tree_(tree), command_(command), reach_(reach) {}

  StartedFiles run() {
    visit(command_.words, false, false, 0);
    return std::move(found_);
  }

 private:
  // The path under which the program is looked at; empty if it is not there.
  std::string find(const std::string& word) const {
    if (word.empty() || word.find('$') != std::string::npos) return {};
    if (word.find('/') != std::string::npos) {
      const std::string path = word.starts_with('/') ? word : command_.workdir + "/" + word;
      return is_program(path) ? tree::normalise(path) : "";
    }
    for (const std::string& directory : base::split(command_.path, ':'))
      if (const std::string path = directory + "/" + word; is_program(path)) return tree::normalise(path);
    return {};
  }

  const tree::Node* resolved(const std::string& path, std::string* real = nullptr) const {
    try {
      const std::string there = tree_.resolve(tree::normalise(path), true);
      if (real != nullptr) *real = there;
      const tree::Node* node = tree_.find(there);
      return node != nullptr && node->type == tree::NodeType::file ? node : nullptr;
    } catch (const base::Error&) {
      return nullptr;
    }
  }

  bool is_program(const std::string& path) const {
    const tree::Node* node = resolved(path);
    return node != nullptr && (node->mode & 0111U) != 0;
  }

  // Remembers the path and the links that lead on from it.
  void pass(std::string path) {
    for (int i = 0; i < 40; ++i) {
      path = tree_.resolve(path);
      const tree::Node* node = tree_.find(path);
      if (node == nullptr) return;
      found_.passed.insert(path);
      if (node->type != tree::NodeType::symlink) return;
      path = tree::normalise(node->target.starts_with('/')
                                 ? node->target
                                 : tree::join_path(tree::directory_of(path), node->target));
    }
  }

  // `exact`: nothing but the program itself and what follows from it is looked for.
  void visit(const std::vector<std::string>& words, bool sets_paths, bool exact, int depth) {
    if (words.empty() || depth > max_depth) return;
    if (is_one_of(words.front(), {".", "source"}) && words.size() > 1)
      return visit_sourced(words[1], sets_paths, depth);
    const std::string path = find(words.front());
    if (path.empty()) {
      // A builtin of shells that runs others.
      if (is_one_of(words.front(), {"exec", "command"})) follow(words, sets_paths, depth);
      return;
    }
    std::string real;
    const tree::Node& node = *resolved(path, &real);
    pass(path);
    const std::string name(tree::name_of(tree::normalise(words.front())));
    bool script = false;
    if (is_elf(node)) {
      add(real, sets_paths);
    } else {
      script = true;
      sets_paths = visit_script(node, real, sets_paths, depth) || sets_paths;
    }
    if (exact) return;
    if (is_shell(name)) return visit_shell(words, sets_paths, depth);
    if (is_wrapper(name)) return follow(words, sets_paths, depth);
    // An entrypoint's script that is given a command, and any other program that is given a program's path.
    if (script && words.size() > 1 && !words[1].starts_with('-'))
      visit({words.begin() + 1, words.end()}, sets_paths, false, depth + 1);
    for (size_t i = 1; i < words.size(); ++i)
      if (words[i].starts_with('/') && is_program(words[i])) visit({words[i]}, sets_paths, true, depth + 1);
  }

  void add(const std::string& real, bool sets_paths) {
    for (tree::LoadStart& one : found_.programs)
      if (one.path == real) {
        one.sets_paths = one.sets_paths && sets_paths;
        return;
      }
    found_.programs.push_back({real, sets_paths});
  }

  // The words behind a wrapper's own options and settings.
  void follow(const std::vector<std::string>& words, bool sets_paths, int depth) {
    for (size_t i = 1; i < words.size(); ++i) {
      const std::string& word = words[i];
      if (word.starts_with("LD_LIBRARY_PATH=")) sets_paths = true;
      const bool split = word == "-S" || word == "--split-string";
      if (split || word.starts_with('-') || is_assignment(word) || find(word).empty()) continue;
      return visit({words.begin() + static_cast<std::ptrdiff_t>(i), words.end()}, sets_paths, false,
                   depth + 1);
    }
  }

  void visit_shell(const std::vector<std::string>& words, bool sets_paths, int depth) {
    for (size_t i = 1; i < words.size(); ++i) {
      if (!words[i].starts_with('-')) {
        if (const tree::Node* script =
                resolved(words[i].starts_with('/') ? words[i] : command_.workdir + "/" + words[i]);
            script != nullptr && script->content.size <= max_script) {
          pass(tree::normalise(words[i].starts_with('/') ? words[i] : command_.workdir + "/" + words[i]));
          visit_text(tree::read_content(script->content, max_script), sets_paths, depth);
        }
        return;
      }
      if (!words[i].starts_with("--") && words[i].find('c') != std::string::npos) {
        if (i + 1 < words.size()) visit_text(words[i + 1], sets_paths, depth, true);
        return;
      }
    }
  }

  // What a script reads with `.` runs as its own lines do.
  void visit_sourced(const std::string& word, bool sets_paths, int depth) {
    const std::string path = word.starts_with('/') ? word : command_.workdir + "/" + word;
    std::string real;
    const tree::Node* script = resolved(path, &real);
    if (script == nullptr || script->content.size > max_script || !scripts_.insert(real).second) return;
    pass(tree::normalise(path));
    visit_text(tree::read_content(script->content, max_script), sets_paths, depth);
  }

  // True if the script tells loaders where to look.
  bool visit_script(const tree::Node& node, const std::string& real, bool sets_paths, int depth) {
    if (node.content.size < 3) return false;
    if (!scripts_.insert(real).second) return false;
    std::string head(std::min<uint64_t>(node.content.size, 256), '\0');
    tree::read_content(node.content, 0, head);
    if (!head.starts_with("#!")) return false;
    std::vector<std::string> words;
    for (const std::string& word : base::split(head.substr(2, head.find('\n') - 2), ' '))
      if (const std::string_view trimmed = base::trim(word); !trimmed.empty()) words.emplace_back(trimmed);
    if (words.empty()) return false;
    const std::string_view name = tree::name_of(words.front());
    if (name == "env")
      visit(words, sets_paths, false, depth + 1);
    else
      visit({words.front()}, sets_paths, true, depth + 1);
    const bool shell = is_shell(name) || (words.size() > 1 && is_shell(words.back()));
    if (!shell || node.content.size > max_script) return false;
    return visit_text(tree::read_content(node.content, max_script), sets_paths, depth);
  }

  bool visit_text(const std::string& text, bool sets_paths, int depth, bool whole = false) {
    sets_paths = sets_paths || text.find("LD_LIBRARY_PATH") != std::string::npos;
    const auto commands = shell_commands(text);
    for (const std::vector<std::string>& words : commands) {
      // `sh -c 'program'` is as good as `exec program`.
      const bool certain = words.front() == "exec" || (whole && commands.size() == 1);
      if (certain || reach_ == Reach::possible) visit(words, sets_paths, false, depth + 1);
    }
    return sets_paths;
  }

  const tree::FileTree& tree_;
  const StartedCommand& command_;
  Reach reach_;
  StartedFiles found_;
  std::set<std::string> scripts_;
};

}  // namespace

bool is_elf(const tree::Node& node) {
  if (node.type != tree::NodeType::file || node.content.size < 52) return false;
  std::array<char, 4> magic{};
  tree::read_content(node.content, 0, magic);
  return std::string_view(magic.data(), 4) ==
         "\x7f"
         "ELF";
}

StartedCommand command_of(const oci::ImageConfig& config) {
  StartedCommand command{config.entrypoint, "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                         config.working_dir};
  command.words.insert(command.words.end(), config.cmd.begin(), config.cmd.end());
  for (const auto& [name, value] : config.env)
    if (name == "PATH") command.path = value;
  return command;
}

StartedFiles started_files(const tree::FileTree& tree, const StartedCommand& command, Reach reach) {
  return StartFinder(tree, command, reach).run();
}

}  // namespace minibuild::build
