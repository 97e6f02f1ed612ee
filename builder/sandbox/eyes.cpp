#include "builder/sandbox/eyes.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <climits>

#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/tree/file_tree.h"

namespace minibuild::sandbox {

using base::fail;

namespace {

constexpr int max_depth_seen = 500;  // of directories
constexpr size_t batch = size_t{64} << 10;

// Both sides are the same program on the same machine: numbers travel as they lie in memory.
struct Asked {
  Question question = Question::look;
  uint32_t path_size = 0;
};

struct Answer {
  bool end = false;
  bool readable = false;
  uint32_t path_size = 0;
  uint32_t target_size = 0;
  struct stat st {};
};

template <typename Value>
std::string_view bytes_of(const Value& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

template <typename Value>
std::span<char> bytes_of(Value& value) {
  return {reinterpret_cast<char*>(&value), sizeof value};
}

void send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("cannot ask the sandbox what it sees: {}", base::errno_text());
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

// What arrives, in few calls.
class Incoming : public base::Source {
 public:
  explicit Incoming(int socket) : socket_(socket, "what the sandbox sees"), buffer_(batch, '\0') {}
  size_t read(std::span<char> into) override {
    if (rest_.empty()) rest_ = {buffer_.data(), socket_.read(buffer_)};
    const size_t n = rest_.copy(into.data(), into.size());
    rest_.remove_prefix(n);
    return n;
  }

 private:
  base::FdSource socket_;
  std::string buffer_;
  std::string_view rest_;
};

class Answerer {
 public:
  explicit Answerer(int socket) : socket_(socket), root_(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (!root_) fail("cannot open the sandbox's root: {}", base::errno_text());
  }

  void run() {
    while (true) {
      base::FdSource source(socket_, "what the sandbox is asked");
      Asked asked;
      if (base::read_full(source, bytes_of(asked)) != sizeof asked) return;
      std::string path(asked.path_size, '\0');
      if (base::read_full(source, path) != path.size()) return;
      if (asked.question == Question::look) {
        if (const auto seen = look(root_.get(), path)) give(path, *seen);
      } else {
        below(path);
      }
      out_ += bytes_of(Answer{.end = true});
      flush();
    }
  }

 private:
  static std::optional<HostView::Seen> look(int directory, const std::string& name) {
    HostView::Seen seen;
    if (::fstatat(directory, name.c_str(), &seen.st, AT_SYMLINK_NOFOLLOW) != 0) return std::nullopt;
    seen.readable = true;
    if (S_ISREG(seen.st.st_mode)) {
      // Of the file that was opened, whatever the name means by now.
      const base::Fd fd(
          ::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
      struct stat opened {};
      seen.readable = fd && ::fstat(fd.get(), &opened) == 0 && S_ISREG(opened.st_mode);
      if (seen.readable) seen.st = opened;
    } else if (S_ISDIR(seen.st.st_mode)) {
      seen.readable = ::faccessat(directory, name.c_str(), R_OK | X_OK, 0) == 0;
    } else if (S_ISLNK(seen.st.st_mode)) {
      char target[PATH_MAX];
      const ssize_t n = ::readlinkat(directory, name.c_str(), target, sizeof target);
      if (n < 0) return std::nullopt;
      seen.target.assign(target, static_cast<size_t>(n));
    }
    return seen;
  }

  void below(const std::string& path) {
    base::Fd fd(::openat(root_.get(), path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (fd) walk(std::move(fd), path, 0);
  }

  void walk(base::Fd fd, const std::string& path, int depth) {
    const std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(fd.get()), &::closedir);
    if (!dir) return;
    static_cast<void>(fd.release());
    while (const dirent* entry = ::readdir(dir.get())) {
      const std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      auto seen = look(::dirfd(dir.get()), name);
      if (!seen) continue;
      const std::string full = tree::join_path(path, name);
      const bool enter = S_ISDIR(seen->st.st_mode) && seen->readable;
      base::Fd next;
      if (enter) {
        if (depth < max_depth_seen)
          next = base::Fd(
              ::openat(::dirfd(dir.get()), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        seen->readable = static_cast<bool>(next);
      }
      give(full, *seen);
      if (next) walk(std::move(next), full, depth + 1);
    }
  }

  void give(const std::string& path, const HostView::Seen& seen) {
    out_ += bytes_of(Answer{false, seen.readable, static_cast<uint32_t>(path.size()),
                            static_cast<uint32_t>(seen.target.size()), seen.st});
    out_ += path;
    out_ += seen.target;
    if (out_.size() >= batch) flush();
  }

  void flush() {
    send_all(socket_, out_);
    out_.clear();
  }

  int socket_;
  base::Fd root_;
  std::string out_;
};

}  // namespace

void ask(int socket, Question question, const std::string& path,
         const std::function<void(const std::string& path, const HostView::Seen& seen)>& visit) {
  const Asked asked{question, static_cast<uint32_t>(path.size())};
  send_all(socket, std::string(bytes_of(asked)) + path);
  Incoming incoming(socket);
  const auto take = [&incoming](std::span<char> into) {
    if (base::read_full(incoming, into) != into.size())
      fail("cannot see what the sandbox sees: its process ended");
  };
  while (true) {
    Answer answer;
    take(bytes_of(answer));
    if (answer.end) return;
    std::string name(answer.path_size, '\0');
    HostView::Seen seen{answer.st, std::string(answer.target_size, '\0'), answer.readable};
    take(name);
    take(seen.target);
    visit(name, seen);
  }
}

void answer_questions(int socket) { Answerer(socket).run(); }

}  // namespace minibuild::sandbox
