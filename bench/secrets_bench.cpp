// Searches trees of files for credentials: how fast, and what it finds. Not part of the build:
//   cmake -S . -B build -DMINIBUILD_BENCH=ON && cmake --build build --target secrets_bench
//   build/secrets_bench /usr            findings, bytes, and gigabytes a second of search alone (reading is not counted)
//   build/secrets_bench --random 256    MiB of random bytes
#include <fcntl.h>
#include <unistd.h>
#include <time.h>

#include <cstdio>
#include <filesystem>
#include <map>
#include <random>
#include <string>

#include "minibuild/trust/secret_rules.h"

namespace {

using namespace minibuild;

// The time of the processor, not of the wall: other programs may run as well.
double now() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

struct Total {
  uint64_t files = 0, bytes = 0;
  double seconds = 0;
  std::map<std::string, size_t> rules;

  void print() const {
    size_t findings = 0;
    for (const auto& [rule, n] : rules) findings += n;
    std::printf("%lu files, %.1f MB in %.3f s: %.2f GB/s; %zu findings\n", static_cast<unsigned long>(files),
                static_cast<double>(bytes) / 1e6, seconds, static_cast<double>(bytes) / seconds / 1e9, findings);
    for (const auto& [rule, n] : rules) std::printf("  %6zu %s\n", n, rule.c_str());
  }
};

void search(const std::string& path, Total& total) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  static std::string buffer(size_t{1} << 20, '\0');
  trust::SecretScanner scanner(path);
  while (true) {
    const ssize_t size = read(file, buffer.data(), buffer.size());
    if (size <= 0) break;
    const double start = now();
    scanner.write({buffer.data(), static_cast<size_t>(size)});
    total.seconds += now() - start;
    total.bytes += static_cast<uint64_t>(size);
  }
  close(file);
  const double start = now();
  const auto findings = scanner.finish();
  total.seconds += now() - start;
  ++total.files;
  for (const trust::SecretFinding& one : findings) {
    ++total.rules[one.rule];
    std::printf("%s:%d:%d: %s %s @%lu\n", path.c_str(), one.line, one.column, one.rule.c_str(), one.excerpt.c_str(),
                static_cast<unsigned long>(one.offset));
  }
}

}  // namespace

int main(int argc, char** argv) {
  Total total;
  if (argc == 3 && std::string(argv[1]) == "--random") {
    std::string bytes(size_t{1} << 20, '\0');
    std::mt19937_64 random(1);
    for (int i = std::stoi(argv[2]); i > 0; --i) {
      for (char& c : bytes) c = static_cast<char>(random());
      const double start = now();
      for (const auto& one : trust::scan_secrets("/random", bytes)) ++total.rules[one.rule];
      total.seconds += now() - start;
      total.bytes += bytes.size();
      ++total.files;
    }
    total.print();
    return 0;
  }
  for (int i = 1; i < argc; ++i) {
    namespace fs = std::filesystem;
    if (fs::is_regular_file(argv[i])) search(argv[i], total);
    std::error_code error;
    for (auto it = fs::recursive_directory_iterator(argv[i], fs::directory_options::skip_permission_denied, error);
         it != fs::recursive_directory_iterator(); it.increment(error))
      if (it->is_regular_file(error) && !it->is_symlink(error)) search(it->path().string(), total);
  }
  total.print();
  return 0;
}
