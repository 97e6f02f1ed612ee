// Searches trees of files for credentials: how fast, and what it finds. Not part of the build:
//   cmake -S . -B build -DMINIBUILD_BENCH=ON && cmake --build build --target secrets_bench
//   build/secrets_bench /usr            findings, bytes, and gigabytes a second of search alone (reading is
//   not counted) build/secrets_bench --random 256    MiB of random bytes build/secrets_bench --published F…
//   fingerprints for builder/trust/published_secrets.cpp
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

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
                static_cast<double>(bytes) / 1e6, seconds, static_cast<double>(bytes) / seconds / 1e9,
                findings);
    for (const auto& [rule, n] : rules) std::printf("  %6zu %s\n", n, rule.c_str());
  }
};

// Files in memory, so that reading them is not measured, and the clock is not read for each.
struct Batch {
  std::vector<std::pair<std::string, std::string>> files;
  size_t size = 0;
};

void search(Batch& batch, Total& total, bool published) {
  std::vector<std::vector<trust::SecretFinding>> findings;
  findings.reserve(batch.files.size());
  const double start = now();
  for (const auto& [path, bytes] : batch.files)
    findings.push_back(trust::scan_secrets(published ? "" : path, bytes));
  total.seconds += now() - start;
  for (size_t i = 0; i < findings.size(); ++i)
    for (const trust::SecretFinding& one : findings[i]) {
      ++total.rules[one.rule];
      std::printf("%s:%d:%d: %s %s @%lu%s\n", batch.files[i].first.c_str(), one.line, one.column,
                  one.rule.c_str(), one.excerpt.c_str(), static_cast<unsigned long>(one.offset),
                  published ? (" " + one.fingerprint).c_str() : "");
    }
  total.files += batch.files.size();
  total.bytes += batch.size;
  batch = {};
}

void read_file(const std::string& path, Batch& batch) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  std::string bytes;
  static std::string buffer(size_t{1} << 20, '\0');
  for (ssize_t size = 0; (size = read(file, buffer.data(), buffer.size())) > 0;)
    bytes.append(buffer.data(), static_cast<size_t>(size));
  close(file);
  batch.size += bytes.size();
  batch.files.emplace_back(path, std::move(bytes));
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
  const bool published = argc > 1 && std::string(argv[1]) == "--published";
  Batch batch;
  const auto add = [&](const std::string& path) {
    read_file(path, batch);
    if (batch.size > size_t{128} << 20) search(batch, total, published);
  };
  for (int i = published ? 2 : 1; i < argc; ++i) {
    namespace fs = std::filesystem;
    if (fs::is_regular_file(argv[i])) add(argv[i]);
    std::error_code error;
    for (auto it =
             fs::recursive_directory_iterator(argv[i], fs::directory_options::skip_permission_denied, error);
         it != fs::recursive_directory_iterator(); it.increment(error))
      if (it->is_regular_file(error) && !it->is_symlink(error)) add(it->path().string());
  }
  search(batch, total, published);
  total.print();
  return 0;
}
