#include "minibuild/project/project.h"

#include <gtest/gtest.h>

#include "minibuild/base/text.h"
#include "minibuild/project/inputs.h"
#include "tests/fakes/memory_files.h"

namespace minibuild::project {
namespace {

using fakes::MemoryFiles;

const oci::Platform amd64 = *oci::parse_platform("linux/amd64");
const oci::Platform arm64 = *oci::parse_platform("linux/arm64");

// What a project says is wrong, if anything.
template <typename Task>
std::string error_of(Task task) {
  try {
    task();
    return {};
  } catch (const base::Error& error) {
    return error.what();
  }
}

std::vector<std::string> walked(const Project& project, const std::vector<oci::Platform>& images,
                                const std::vector<oci::Platform>& machines) {
  std::vector<std::string> seen;
  project.walk(images, machines, [&](const SpecFile& file, Part part) {
    seen.push_back(fmt::format("{} {} {}", part == Part::image ? "image" : "stages", file.spec.file,
                               oci::to_string(file.platform)));
  });
  return seen;
}

const char* const app = R"(minibuild: 1
args: { VERSION: "1", OTHER: "x" }
stages:
  compile:
    base: ./tools.yaml
    run: ["true"]
base: ./base.yaml
policy: { file: team.yaml }
user: 1
)";
const char* const base_spec = R"(minibuild: 1
args: { VERSION: "0" }
files: [{ file: /version, content: "${VERSION} ${TARGETARCH}" }]
user: 1
)";
const char* const tools = "minibuild: 1\nbase: docker://registry.example/tools:1\nuser: 1\n";

TEST(Project, ReadsEachFileOnceForAllPlatforms) {
  const MemoryFiles files = {{"app.yaml", app},
                             {"base.yaml", base_spec},
                             {"tools.yaml", tools},
                             {"team.yaml", "max-size: 1GB\n"},
                             {"app.lock.json", "{\"minibuildLock\": 1, \"images\": []}"}};
  const Project project("app.yaml", {{"VERSION", "7"}}, {amd64, arm64}, files);
  walked(project, {amd64, arm64}, {amd64, arm64});
  walked(project, {amd64}, {arm64});
  ASSERT_TRUE(project.lock());
  ASSERT_TRUE(project.lock_of("app.yaml"));
  const Project other(project, {arm64});
  walked(other, {arm64}, {arm64});
  EXPECT_EQ(
      files.reads,
      (std::map<std::string, int>{
          {"app.yaml", 1}, {"base.yaml", 1}, {"tools.yaml", 1}, {"team.yaml", 1}, {"app.lock.json", 1}}));
}

TEST(Project, KeepsWhatItReadWhateverHappensToTheFile) {
  MemoryFiles files = {{"app.yaml", base_spec}};
  const Project project("app.yaml", {}, {}, files);
  const SpecFile& before = project.top(amd64);
  files.texts["app.yaml"] = "minibuild: 1\nuser: 2\n";
  EXPECT_EQ(&project.top(amd64), &before);
  EXPECT_EQ(project.top(arm64).spec.files.front().content, "0 arm64");
}

TEST(Project, GivesASpecBelowTheArgumentsThatItDeclares) {
  const MemoryFiles files = {{"app.yaml", app}, {"base.yaml", base_spec}, {"team.yaml", "max-size: 1GB\n"}};
  const Project project("app.yaml", {{"VERSION", "7"}, {"OTHER", "y"}}, {}, files);
  const SpecFile& top = project.top(arm64);
  const SpecFile& below = project.below(top, std::get<spec::BaseSpec>(top.spec.base.what), arm64);
  EXPECT_EQ(below.set, (std::map<std::string, std::string>{{"VERSION", "7"}}));
  EXPECT_EQ(below.spec.files.front().content, "7 arm64");
  EXPECT_EQ(project.name_of(below), "base.yaml");
  EXPECT_EQ(project.name_of(top), "");
}

TEST(Project, WalksBasesFirstAndEachPartOnce) {
  const MemoryFiles files = {
      {"app.yaml", app}, {"base.yaml", base_spec}, {"tools.yaml", tools}, {"team.yaml", "max-size: 1GB\n"}};
  const Project project("app.yaml", {}, {}, files);
  EXPECT_EQ(walked(project, {amd64, arm64}, {amd64}),
            (std::vector<std::string>{"image ./base.yaml linux/amd64", "stages ./base.yaml linux/amd64",
                                      "image app.yaml linux/amd64", "image ./base.yaml linux/arm64",
                                      "stages ./base.yaml linux/arm64", "image app.yaml linux/arm64",
                                      "image ./tools.yaml linux/amd64", "stages ./tools.yaml linux/amd64",
                                      "stages app.yaml linux/amd64"}));
}

TEST(Project, ChoosesPlatforms) {
  const MemoryFiles files = {{"two.yaml", "minibuild: 1\nplatforms: [linux/arm64, linux/amd64]\nuser: 1\n"},
                             {"none.yaml", "minibuild: 1\nuser: 1\n"}};
  EXPECT_EQ(Project("two.yaml", {}, {}, files).platforms(), (std::vector{arm64, amd64}));
  EXPECT_EQ(Project("two.yaml", {}, {amd64}, files).platforms(), std::vector{amd64});
  EXPECT_EQ(Project("none.yaml", {}, {}, files).platforms(), std::vector{oci::host_platform()});
}

TEST(Project, SaysWhatIsWrongWhereItIsWritten) {
  struct Case {
    const char* name;
    std::initializer_list<std::pair<const std::string, std::string>> files;
    const char* wants;  // how the message begins
  };
  const Case cases[] = {
      {"no spec", {}, "cannot open app.yaml: "},
      {"a wrong spec", {{"app.yaml", "minibuild: 1\nuzer: 1\n"}}, "app.yaml:2:1: error: unknown key 'uzer'"},
      {"no base", {{"app.yaml", "minibuild: 1\nbase: ./b.yaml\nuser: 1\n"}}, "cannot open ./b.yaml: "},
      {"a wrong base",
       {{"app.yaml", "minibuild: 1\nbase: ./b.yaml\nuser: 1\n"}, {"b.yaml", "minibuild: 2\n"}},
       "./b.yaml:1:"},
      {"itself",
       {{"app.yaml", "minibuild: 1\nbase: ./app.yaml\nuser: 1\n"}},
       "app.yaml:2:7: error: the spec './app.yaml' stands on itself"},
      {"itself by another",
       {{"app.yaml", "minibuild: 1\nbase: ./b.yaml\nuser: 1\n"},
        {"b.yaml", "minibuild: 1\nbase: ./app.yaml\nuser: 1\n"}},
       "./b.yaml:2:7: error: the spec './app.yaml' stands on itself"},
      {"no policy", {{"app.yaml", "minibuild: 1\nuser: 1\npolicy: { file: p.yaml }\n"}}, "app.yaml:3:"},
  };
  for (const Case& one : cases) {
    const MemoryFiles files(one.files);
    const Project project("app.yaml", {}, {}, files);
    const std::string error = error_of([&] {
      project.refuse_cycles(amd64, [](const SpecFile&, bool) { return std::vector<const spec::Stage*>(); });
    });
    EXPECT_TRUE(error.starts_with(one.wants)) << one.name << ": " << error;
  }
}

TEST(Project, ManySpecsMayStandOnEachOtherButNotTooMany) {
  MemoryFiles files = {};
  for (int i = 0; i < 30; ++i)
    files.texts[fmt::format("{}.yaml", i)] = fmt::format("minibuild: 1\nbase: ./{}.yaml\nuser: 1\n", i + 1);
  files.texts["30.yaml"] = "minibuild: 1\nuser: 1\n";
  const auto no_stages = [](const SpecFile&, bool) { return std::vector<const spec::Stage*>(); };
  EXPECT_EQ(error_of([&] { Project("14.yaml", {}, {}, files).refuse_cycles(amd64, no_stages); }), "");
  const std::string error =
      error_of([&] { Project("0.yaml", {}, {}, files).refuse_cycles(amd64, no_stages); });
  EXPECT_NE(error.find("more than 16 specs stand on each other"), std::string::npos) << error;
}

TEST(Project, FindsInputsFromOutsideOnceWithThePlatformsThatWantThem) {
  const MemoryFiles files = {{"app.yaml", R"(minibuild: 1
stages:
  compile:
    base: docker://registry.example/tools:1
    run: ["true"]
base: docker://registry.example/base:1
copy:
  - { image: "docker://registry.example/base:1", from: /a, to: /b }
  - { url: "https://example.org/x", to: /x }
  - { url: "https://example.org/y", sha256: "0000000000000000000000000000000000000000000000000000000000000000", to: /y }
user: 1
)"}};
  const Project project("app.yaml", {}, {}, files);
  std::vector<std::string> found;
  for (const OutsideInput& input : outside_inputs(project, {amd64, arm64})) {
    std::vector<std::string> platforms;
    for (const oci::Platform& platform : input.platforms) platforms.push_back(oci::to_string(platform));
    found.push_back(fmt::format("{}:{} {} {}{}", input.position.line, input.position.column, input.name,
                                base::join(platforms, " "), input.needs_lock ? " open" : ""));
  }
  EXPECT_EQ(found, (std::vector<std::string>{
                       "6:7 registry.example/base:1 linux/amd64 linux/arm64 open",
                       "9:5 https://example.org/x  open", "10:5 https://example.org/y ",
                       "4:11 registry.example/tools:1 " + oci::to_string(oci::host_platform()) + " open"}));
}

}  // namespace
}  // namespace minibuild::project
