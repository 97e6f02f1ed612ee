#include "minibuild/build/rebase.h"

#include <gtest/gtest.h>

namespace minibuild::build {
namespace {

using Env = std::vector<std::pair<std::string, std::string>>;

struct Case {
  const char* name;
  oci::ImageConfig image;
  oci::ImageConfig before;
  oci::ImageConfig after;
  oci::ImageConfig want;
  size_t notes = 0;
};

oci::ImageConfig config(const std::function<void(oci::ImageConfig&)>& change) {
  oci::ImageConfig one;
  one.env = {{"PATH", "/usr/bin"}};
  change(one);
  return one;
}

oci::ImageConfig with_env(Env env) {
  return config([&](oci::ImageConfig& one) { one.env = std::move(env); });
}

oci::ImageConfig with_labels(std::map<std::string, std::string> labels) {
  return config([&](oci::ImageConfig& one) { one.labels = std::move(labels); });
}

oci::ImageConfig with_start(std::vector<std::string> entrypoint, std::vector<std::string> cmd) {
  return config([&](oci::ImageConfig& one) {
    one.entrypoint = std::move(entrypoint);
    one.cmd = std::move(cmd);
  });
}

oci::ImageConfig with_lists(std::vector<std::string> ports, std::vector<std::string> volumes) {
  return config([&](oci::ImageConfig& one) {
    one.exposed_ports = std::move(ports);
    one.volumes = std::move(volumes);
  });
}

oci::ImageConfig with_words(const char* workdir, const char* signal) {
  return config([&](oci::ImageConfig& one) {
    one.working_dir = workdir;
    one.stop_signal = signal;
  });
}

const char* const usual = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

TEST(Rebase, SettingsOfTheBaseFollowIt) {
  const std::vector<Case> cases = {
      {"a variable of the base", with_env({{"PATH", "/a"}, {"V", "1"}}),
       with_env({{"PATH", "/a"}, {"V", "1"}}), with_env({{"PATH", "/b"}, {"V", "2"}, {"W", "3"}}),
       with_env({{"PATH", "/b"}, {"V", "2"}, {"W", "3"}})},
      {"one that the new base has no more", with_env({{"PATH", "/a"}, {"V", "1"}}),
       with_env({{"PATH", "/a"}, {"V", "1"}}), with_env({{"PATH", "/a"}}), with_env({{"PATH", "/a"}})},
      {"one of the image", with_env({{"PATH", "/a"}, {"OWN", "x"}}), with_env({{"PATH", "/a"}}),
       with_env({{"PATH", "/b"}, {"V", "2"}}), with_env({{"PATH", "/b"}, {"V", "2"}, {"OWN", "x"}})},
      {"one that the image sets otherwise", with_env({{"PATH", "/a"}, {"V", "own"}}),
       with_env({{"PATH", "/a"}, {"V", "1"}}), with_env({{"V", "2"}, {"PATH", "/a"}}),
       with_env({{"V", "own"}, {"PATH", "/a"}}), 1},
      {"a PATH made of the base's", with_env({{"PATH", "/own:/old/bin:/last"}}),
       with_env({{"PATH", "/old/bin"}}), with_env({{"PATH", "/new/bin"}}),
       with_env({{"PATH", "/own:/new/bin:/last"}}), 1},
      {"a PATH that only looks so", with_env({{"PATH", "/own/old/bin"}}), with_env({{"PATH", "/old/bin"}}),
       with_env({{"PATH", "/new/bin"}}), with_env({{"PATH", "/own/old/bin"}}), 1},
      {"the usual PATH where the old base had none", with_env({{"PATH", usual}}), with_env({}),
       with_env({{"PATH", "/new"}}), with_env({{"PATH", "/new"}})},
      {"and the new one has none", with_env({{"PATH", "/a"}}), with_env({{"PATH", "/a"}}), with_env({}),
       with_env({{"PATH", usual}})},
      {"labels", with_labels({{"same", "1"}, {"own", "x"}, {"other", "mine"}, {"gone", "1"}}),
       with_labels({{"same", "1"}, {"other", "1"}, {"gone", "1"}}),
       with_labels({{"same", "2"}, {"other", "2"}, {"new", "3"}}),
       with_labels({{"same", "2"}, {"own", "x"}, {"other", "mine"}, {"new", "3"}})},
      {"ports and volumes", with_lists({"80/tcp", "81/tcp"}, {"/data", "/own"}),
       with_lists({"80/tcp"}, {"/data"}), with_lists({"90/tcp"}, {"/new"}),
       with_lists({"81/tcp", "90/tcp"}, {"/new", "/own"})},
      {"entrypoint and cmd", with_start({"/old"}, {"a"}), with_start({"/old"}, {"a"}),
       with_start({"/new"}, {"b"}), with_start({"/new"}, {"b"})},
      {"the image's own cmd", with_start({"/old"}, {"own"}), with_start({"/old"}, {"a"}),
       with_start({"/new"}, {"b"}), with_start({"/new"}, {"own"})},
      {"the image's own entrypoint", with_start({"/own"}, {}), with_start({"/old"}, {"a"}),
       with_start({"/new"}, {"b"}), with_start({"/own"}, {})},
      {"an entrypoint that took the arguments away", with_start({"/old"}, {}), with_start({"/old"}, {"a"}),
       with_start({"/new"}, {"b"}), with_start({"/old"}, {}), 1},
      {"workdir and signal of the base", with_words("/old", "SIGTERM"), with_words("/old", "SIGTERM"),
       with_words("/new", "SIGINT"), with_words("/new", "SIGINT")},
      {"of the image", with_words("/own", "SIGQUIT"), with_words("/old", "SIGTERM"),
       with_words("/new", "SIGINT"), with_words("/own", "SIGQUIT")},
  };
  for (const Case& one : cases) {
    RebaseNotes notes;
    const oci::ImageConfig got = rebased_config(one.image, one.before, one.after, notes);
    EXPECT_EQ(got.env, one.want.env) << one.name;
    EXPECT_EQ(got.labels, one.want.labels) << one.name;
    EXPECT_TRUE(got == one.want) << one.name;
    EXPECT_EQ(notes.size(), one.notes) << one.name;
  }
}

}  // namespace
}  // namespace minibuild::build
