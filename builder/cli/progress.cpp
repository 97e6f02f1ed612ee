#include "builder/cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <mutex>

#include "builder/cli/commands.h"
#include "minibuild/base/error.h"
#include "minibuild/base/log_line.h"
#include "minibuild/base/text.h"
#include "minibuild/base/wait.h"
#include "minibuild/oci/json.h"

namespace minibuild::cli {

double seconds_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

namespace {

void print(const std::string& text) {
  std::string_view rest = text;
  while (!rest.empty()) {
    const ssize_t n = ::write(STDERR_FILENO, rest.data(), rest.size());
    if (n <= 0) return;  // nobody listens; the build goes on
    rest.remove_prefix(static_cast<size_t>(n));
  }
}

bool shows_colours() {
  const char* without = std::getenv("NO_COLOR");
  return ::isatty(STDERR_FILENO) == 1 && (without == nullptr || *without == '\0');
}

class Silent : public build::Progress {
 public:
  void note(const std::string& /*subject*/, const std::string& /*text*/) override {}
  void output(const std::string& /*stage*/, std::string_view /*line*/) override {}
  void layer(uint64_t /*done*/, uint64_t /*total*/) override {}
};

class Plain : public build::Progress {
 public:
  void note(const std::string& subject, const std::string& text) override {
    print(fmt::format("{}: {}\n", subject, base::printable(text)));
  }
  void output(const std::string& stage, std::string_view line) override {
    print(fmt::format("{} | {}\n", stage, base::log_line(line, shows_colours())));
  }
  void layer(uint64_t /*done*/, uint64_t /*total*/) override {}
};

// Lines as in Plain, with a bar below them that is drawn at most ten times a second.
class Bar : public build::Progress {
 public:
  ~Bar() override { clear(); }
  Bar() = default;
  Bar(const Bar&) = delete;
  Bar& operator=(const Bar&) = delete;
  Bar(Bar&&) = delete;
  Bar& operator=(Bar&&) = delete;

  void note(const std::string& subject, const std::string& text) override {
    line(fmt::format("{}: {}\n", subject, base::printable(text)));
  }
  void output(const std::string& stage, std::string_view text) override {
    line(fmt::format("{} | {}\n", stage, base::log_line(text, shows_colours())));
  }
  void layer(uint64_t done, uint64_t total) override {
    const std::lock_guard lock(mutex_);
    const double now = seconds_now();
    if (done == total) {
      clear();
      return;
    }
    if (now - drawn_ < 0.1 || total < (uint64_t{32} << 20U)) return;
    drawn_ = now;
    constexpr uint64_t width = 30;
    const uint64_t filled = done * width / total;
    print(fmt::format("\r\x1b[Kwriting layer [{}{}] {} of {}", std::string(filled, '='),
                      std::string(width - filled, ' '), base::human_size(done), base::human_size(total)));
    shown_ = true;
  }

 private:
  void line(const std::string& text) {
    const std::lock_guard lock(mutex_);
    clear();
    print(text);
  }
  void clear() {
    if (shown_) print("\r\x1b[K");
    shown_ = false;
  }
  std::mutex mutex_;
  double drawn_ = 0;
  bool shown_ = false;
};

class JsonLines : public build::Progress {
 public:
  void note(const std::string& subject, const std::string& text) override {
    const bool warns = text.starts_with("warning: ");
    put({{"event", "note"},
         {"subject", base::printable(subject)},
         {"text", base::printable(text)},
         {"severity", warns ? "warning" : "info"}});
  }
  void warning(const build::Warning& one) override {
    oci::Json event = {{"event", "note"},
                       {"subject", base::printable(one.rule)},
                       {"text", base::printable("warning: " + one.message)},
                       {"severity", "warning"},
                       {"rule", base::printable(one.rule)}};
    if (one.line > 0) event["line"] = one.line;
    if (!one.fix.empty()) event["fix"] = base::printable(one.fix);
    put(event);
  }
  void output(const std::string& stage, std::string_view line) override {
    put({{"event", "output"}, {"stage", stage}, {"line", base::log_line(line, false)}});
  }
  void layer(uint64_t done, uint64_t total) override {
    const std::lock_guard lock(mutex_);
    const double now = seconds_now();
    if (done != total && now - told_ < 0.2) return;
    told_ = now;
    put({{"event", "layer"}, {"done", done}, {"total", total}});
  }

 private:
  static void put(const oci::Json& event) { print(event.dump() + "\n"); }
  std::mutex mutex_;
  double told_ = 0;
};

}  // namespace

std::unique_ptr<build::Progress> make_notes() { return std::make_unique<Plain>(); }

std::unique_ptr<build::Progress> make_silence() { return std::make_unique<Silent>(); }

std::unique_ptr<build::Progress> make_progress(const std::string& mode) {
  // Waits are told in the same form.
  if (mode == "none") base::set_waits({&interrupted, {}});
  if (mode == "json")
    base::set_waits({&interrupted, [](const std::string& text) { JsonLines().note("wait", text); }});
  if (mode == "none") return std::make_unique<Silent>();
  if (mode == "json") return std::make_unique<JsonLines>();
  if (mode == "auto" && ::isatty(STDERR_FILENO) == 1) return std::make_unique<Bar>();
  return std::make_unique<Plain>();
}

}  // namespace minibuild::cli
