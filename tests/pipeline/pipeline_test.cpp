#include "minibuild/pipeline/pipeline.h"

#include <gtest/gtest.h>

#include "minibuild/base/text.h"
#include "tests/fakes/memory_files.h"
#include "tests/fakes/recorded_progress.h"
#include "tests/fakes/scripted_executor.h"

namespace minibuild::pipeline {
namespace {

using fakes::ScriptedExecutor;
using Notes = std::vector<std::string>;

// Builds of specs in memory, whose commands are scripted; what they copy and write is on disk.
class Pipeline : public testing::Test {
 protected:
  void SetUp() override {
    base::make_directories(directory_ + "/src");
    write("src/a.txt", "a");
    write("src/b.txt", "b");
  }

  void write(const std::string& name, const std::string& text) const {
    base::write_file_atomic(directory_ + "/" + name, text);
  }
  void spec(const std::string& text) { files_.texts[directory_ + "/app.yaml"] = "minibuild: 1\n" + text; }

  Wish wish() const {
    Wish wish;
    wish.spec = directory_ + "/app.yaml";
    wish.platforms = {oci::host_platform()};
    wish.targets = {{oci::Transport::oci_layout, directory_ + "/out", "1"}};
    return wish;
  }
  Edges edges() {
    Edges edges{[this]() -> store::Cache& { return cache_; },
                {},
                progress_,
                [] { return int64_t{1000}; },
                [] { return 0.0; }};
    edges.executor = &executor_;
    edges.helper = MINIBUILD_EXE;
    edges.files = &files_;
    return edges;
  }

  std::string digest(const Wish& wanted) {
    return oci::to_string(store::top_of(build(wanted, edges()).built.set).digest);
  }
  std::string error(const Wish& wanted) {
    try {
      build(wanted, edges());
      return "no error";
    } catch (const base::Error& error) {
      return error.what();
    }
  }

  base::TemporaryDirectory temporary_{testing::TempDir(), "pipeline"};
  std::string directory_ = temporary_.path() + "/project";
  store::Cache cache_{directory_ + "/cache"};
  fakes::MemoryFiles files_ = {};
  fakes::RecordedProgress progress_;
  ScriptedExecutor executor_;
};

const char* const two_stages = R"(stages:
  compile:
    base: scratch
    copy: [{ from: src/a.txt, to: /a }]
    run: ["compile"]
  link:
    base: scratch
    copy: [{ stage: compile, from: /made, to: /made }, { from: src/b.txt, to: /b }]
    run: ["link"]
copy: [{ stage: link, from: /app, to: /app }]
user: 1
)";

TEST_F(Pipeline, RunsTheStagesWhoseInputsChangedAndSaysWhy) {
  spec(two_stages);
  executor_.commands = {{"compile", ScriptedExecutor::copies("a", "made")},
                        {"link", ScriptedExecutor::copies("made", "app")}};
  struct Step {
    const char* name;
    std::function<void()> change;
    Notes want;
    Notes ran;
  };
  const Step steps[] = {
      {"the first build",
       [] {},
       {"compile: run, not built before", "link: run, not built before"},
       {"compile", "link"}},
      {"nothing changed", [] {}, {"compile: cached", "link: cached"}, {}},
      {"an input of the second stage",
       [&] { write("src/b.txt", "bb"); },
       {"compile: cached", "link: rerun, src/b.txt changed"},
       {"link"}},
      {"an input of the first stage, which makes another result",
       [&] { write("src/a.txt", "aa"); },
       {"compile: rerun, src/a.txt changed", "link: rerun, /made of the stage compile changed"},
       {"compile", "link"}},
      {"an input of the first stage, which makes the same result",
       [&] {
         write("src/a.txt", "aaa");
         executor_.commands["compile"] = [](tree::FileTree& root) {
           root.put("made", tree::file_node(tree::inline_content("aa"), 1), 1);
           return true;
         };
       },
       {"compile: rerun, src/a.txt changed", "link: cached"},
       {"compile"}},
  };
  for (const Step& step : steps) {
    step.change();
    executor_.forget();
    progress_.taken();
    digest(wish());
    Notes stages;
    for (const std::string& note : progress_.taken())
      if (note.starts_with("compile: ") || note.starts_with("link: ")) stages.push_back(note);
    EXPECT_EQ(stages, step.want) << step.name;
    EXPECT_EQ(executor_.ran(), step.ran) << step.name;
  }
}

TEST_F(Pipeline, StopsWhenAStageFailsAndSaysWhich) {
  spec(two_stages);
  executor_.commands = {{"link", ScriptedExecutor::copies("made", "app")}};
  const std::string message = error(wish());
  EXPECT_NE(message.find("compile"), std::string::npos) << message;
  EXPECT_NE(message.find("status 1"), std::string::npos) << message;
  EXPECT_EQ(executor_.ran(), Notes{"compile"});
  EXPECT_FALSE(base::exists(directory_ + "/out"));
}

TEST_F(Pipeline, GivesTheSameImageWhateverTheNumberOfJobs) {
  spec(two_stages);
  executor_.commands = {{"compile", ScriptedExecutor::copies("a", "made")},
                        {"link", ScriptedExecutor::copies("made", "app")}};
  const std::string one = digest(wish());
  Wish again = wish();
  again.stage_runs = build::StageRuns::anew;
  Edges many = edges();
  many.jobs = 8;
  EXPECT_EQ(oci::to_string(store::top_of(build(again, many).built.set).digest), one);
  const Reproduced same = reproduce(wish(), {oci::Transport::oci_layout, directory_ + "/out", "1"}, edges());
  EXPECT_TRUE(same.same);
  write("src/a.txt", "other");
  const Reproduced other = reproduce(wish(), {oci::Transport::oci_layout, directory_ + "/out", "1"}, edges());
  EXPECT_FALSE(other.same);
  ASSERT_EQ(other.differences.size(), 1U);
  ASSERT_EQ(other.differences.front().second.files.size(), 1U);
  EXPECT_EQ(other.differences.front().second.files.front().path, "/app");
}

TEST_F(Pipeline, TellsWhatIsWrongBeforeAnythingIsOpened) {
  struct Case {
    const char* name;
    const char* text;
    base::Code code;
    const char* wants;
  };
  const Case cases[] = {
      {"a wrong key", "uzer: 1\n", base::Code::usage, "app.yaml:2:1: error: unknown key 'uzer'"},
      {"a secret in the spec", "user: 1\nlabels: { a: s3cr3t-value }\n", base::Code::refused, "secret"},
  };
  for (const Case& one : cases) {
    spec(one.text);
    Wish wanted = wish();
    wanted.secrets = {{"token", "s3cr3t-value"}};
    Edges closed = edges();
    closed.cache = []() -> store::Cache& { throw std::logic_error("the cache was opened"); };
    try {
      build(wanted, closed);
      FAIL() << one.name;
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), one.code) << one.name;
      EXPECT_NE(std::string(error.what()).find(one.wants), std::string::npos) << error.what();
      EXPECT_EQ(std::string(error.what()).find("s3cr3t-value"), std::string::npos) << error.what();
    }
  }
}

TEST_F(Pipeline, WritesTheLockThatItNeededAndKeepsItWhenTheBuildFails) {
  base::make_directories(directory_ + "/mirror");
  write("mirror/tool", "tool");
  spec("copy: [{ url: \"https://example.org/tool\", to: /tool }]\nuser: 1\n");
  Edges mirrored = edges();
  mirrored.registries.directories = {{"example.org", directory_ + "/mirror"}};
  const auto entries = [&] {
    std::vector<std::string> lines;
    for (const project::LockedDownload& one :
         project::parse_lock(base::read_file(directory_ + "/app.lock.json"), "the lock").downloads)
      lines.push_back(one.url + " " + oci::to_string(one.digest));
    return lines;
  };
  build(wish(), mirrored);
  // As sha256sum has them of `tool` and `other`.
  const Notes before = {
      "https://example.org/tool sha256:7c9bbe5ec9b3fb774e8fa0f54247e93c34ddf8e5d16fe3073420de0ae81a262d"};
  const Notes after = {
      "https://example.org/tool sha256:d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa"};
  EXPECT_EQ(entries(), before);
  files_.texts[directory_ + "/app.lock.json"] = base::read_file(directory_ + "/app.lock.json");

  write("mirror/tool", "other");
  EXPECT_EQ(lock(wish(), build::LockMode::look, {}, mirrored).changed, false);
  EXPECT_EQ(entries(), before);
  const build::Locking updated = lock(wish(), build::LockMode::update, {}, mirrored);
  EXPECT_TRUE(updated.changed);
  ASSERT_EQ(updated.moved.size(), 1U);
  EXPECT_EQ(updated.moved.front().name, "https://example.org/tool");
  EXPECT_EQ(entries(), after);
}

}  // namespace
}  // namespace minibuild::pipeline
