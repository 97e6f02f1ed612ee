// Builds the image of a spec into an OCI layout, as `minibuild SPEC -o oci:DIRECTORY` does: embed SPEC
// DIRECTORY
#include <minibuild/pipeline/pipeline.h>

#include <chrono>
#include <cstdio>
#include <ctime>

using namespace minibuild;

namespace {

// Says on stderr what happens.
class Lines : public build::Progress {
 public:
  void note(const std::string& subject, const std::string& text) override {
    std::fprintf(stderr, "%s: %s\n", subject.c_str(), text.c_str());
  }
  void output(const std::string& stage, std::string_view line) override { note(stage, std::string(line)); }
  void layer(uint64_t, uint64_t) override {}
};

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

int main(int argc, char** argv) {
  // A stage's commands run below another process of this program.
  if (argc > 1 && argv[1] == sandbox::helper_argument) sandbox::helper_main();
  if (argc != 3) {
    std::fputs("usage: embed SPEC DIRECTORY\n", stderr);
    return 2;
  }
  try {
    pipeline::Wish wish;
    wish.spec = argv[1];
    wish.targets = {{oci::Transport::oci_layout, argv[2], ""}};
    store::Cache cache(std::string(argv[2]) + ".cache");
    Lines lines;
    const pipeline::Edges edges{[&]() -> store::Cache& { return cache; },
                                {},
                                lines,
                                [] { return int64_t{std::time(nullptr)}; },
                                seconds};
    const pipeline::Finished finished = pipeline::build(wish, edges);
    std::puts(oci::to_string(store::top_of(finished.built.set).digest).c_str());
    return 0;
  } catch (const base::Error& error) {
    std::fprintf(stderr, "embed: %s\n", error.what());
    return static_cast<int>(error.code());
  }
}
