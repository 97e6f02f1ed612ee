#include "builder/build/input_times.h"

#include <gtest/gtest.h>

namespace minibuild::build {
namespace {

constexpr int64_t second = 1'000'000'000;
constexpr int64_t now = 2000 * second + 5;

struct Case {
  const char* name;
  InputState input;
  std::vector<std::optional<Seen>> kept;
  int64_t newest_below;
  int64_t want;
};

const base::Hash one = base::sha256("one");
const base::Hash two = base::sha256("two");
const base::Hash tools = base::sha256("tools");
const base::Hash other_tools = base::sha256("other tools");

Seen seen(const base::Hash& base, const base::Hash& content, int64_t since) {
  return {base, {{"src/main.c", {content, since}}}};
}

TEST(InputTimes, AreAsNewAsTheInputIsToWhatIsThere) {
  using Below = InputState::Below;
  const Case cases[] = {
      {"nothing can have been made of it", {one}, {}, 0, 7 * second},
      {"a kept directory saw it: the time that it had then",
       {one},
       {seen(tools, one, 1500 * second)},
       0,
       1500 * second},
      {"seen in the first run, which has the epoch's", {one}, {seen(tools, one, 7 * second)}, 0, 7 * second},
      {"a kept directory saw other content", {two}, {seen(tools, one, 1500 * second)}, 0, now},
      {"a kept directory that saw nothing of it", {one}, {Seen{tools, {}}}, 0, now},
      {"nobody knows what a kept directory saw", {one}, {std::nullopt}, 0, now},
      {"it was made with other tools", {one}, {seen(other_tools, one, 1500 * second)}, 0, now},
      {"the newest of two directories counts",
       {one},
       {seen(tools, one, 1500 * second), seen(tools, one, 1600 * second)},
       0,
       1600 * second},
      {"one of two does not know it", {one}, {seen(tools, one, 1500 * second), std::nullopt}, 0, now},
      {"the base has the same there", {one, Below::same, 900}, {}, 1000, 900 * second},
      {"the base has something else there", {one, Below::other}, {}, 1000, 1001 * second},
      {"the base is of this second", {one, Below::other}, {}, 2000, now},
      {"the base is of the future", {one, Below::other}, {}, 5000, 5000 * second + 1},
      {"the same in the base, other in a kept directory",
       {one, Below::same, 900},
       {seen(tools, two, 1500 * second)},
       1000,
       now},
  };
  for (const Case& one_case : cases) {
    const std::map<std::string, InputState> inputs = {{"src/main.c", one_case.input}};
    const InputTimes times = input_times({inputs, tools, one_case.newest_below, one_case.kept, 7, now});
    EXPECT_EQ(times.at("src/main.c"), one_case.want) << one_case.name;
  }
}

// Java takes the time 0 for a file that is not there; zip archives begin with 1980.
TEST(InputTimes, AreNeverZero) {
  const std::map<std::string, InputState> inputs = {{"src/main.c", {one}}};
  EXPECT_EQ(input_times({inputs, tools, 0, {}, 0, now}).at("src/main.c"), 315'532'800 * second);
}

// A program sees the time of what the link leads to.
TEST(InputTimes, AreNewWhenALinkLeadsElsewhere) {
  std::map<std::string, InputState> inputs = {{"src/main.c", {one}}, {"src/current", {two}}};
  inputs["src/current"].link = true;
  Seen same = seen(tools, one, 1500 * second);
  same.inputs["src/current"] = {two, 1400 * second};
  EXPECT_EQ(input_times({inputs, tools, 0, {same}, 7, now}).at("src/main.c"), 1500 * second);
  Seen elsewhere = same;
  elsewhere.inputs["src/current"].content = one;
  EXPECT_EQ(input_times({inputs, tools, 0, {elsewhere}, 7, now}).at("src/main.c"), now);
  EXPECT_EQ(input_times({inputs, tools, 0, {seen(tools, one, 1500 * second)}, 7, now}).at("src/main.c"), now);
}

TEST(InputTimes, WhatWasSeenSurvivesBeingWritten) {
  Seen before = seen(tools, one, 1500 * second + 7);
  before.inputs["a b/ünd c"] = {two, 0};
  EXPECT_EQ(parse_seen(to_text(before)), before);
  // What cannot be written in a line is left out, which makes it new.
  Seen odd = before;
  odd.inputs["line\nend"] = {one, 5};
  odd.inputs["before 1970"] = {one, -5};
  EXPECT_EQ(parse_seen(to_text(odd)), before);
  for (const char* text : {"", "seen 1", "seen 2\n", "seen 1\nnot a hash\n", "garbage"})
    EXPECT_FALSE(parse_seen(text)) << text;
  EXPECT_FALSE(parse_seen(to_text(before) + "cut off"));
}

}  // namespace
}  // namespace minibuild::build
