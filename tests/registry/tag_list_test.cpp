#include "builder/registry/tag_list.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "minibuild/base/error.h"

namespace minibuild::registry {
namespace {

// How a registry lists its tags.
struct Habits {
  size_t page = 1'000'000;  // no answer holds more
  bool links = true;        // a page that is not the last one names the next
  bool knows_last = true;
  bool counts_last = false;  // what `last` names is part of the answer
  bool knows_n = true;
  bool refuses = false;       // every question with a query
  size_t lost_links = 0;      // so many pages name none although there are more
  bool newest_first = false;  // the order of the list, but not of `last`
};

class Registry {
 public:
  Registry(std::vector<std::string> tags, const Habits& habits) : tags_(std::move(tags)), habits_(habits) {
    std::sort(tags_.begin(), tags_.end());
    if (habits_.newest_first) std::reverse(tags_.begin(), tags_.end());
  }

  TagServer server() {
    TagServer made;
    made.pages = [this] {
      std::vector<TagPage> pages;
      size_t at = 0;
      do {
        pages.push_back(cut(at, habits_.page));
        at += pages.back().tags.size();
      } while (pages.back().goes_on);
      return pages;
    };
    made.part = [this](const std::string& last, size_t count) -> std::optional<TagPage> {
      ++questions;
      if (habits_.refuses) return std::nullopt;
      std::vector<std::string> all = tags_;
      if (habits_.knows_last && !last.empty())
        std::erase_if(all,
                      [&](const std::string& tag) { return habits_.counts_last ? tag < last : tag <= last; });
      std::swap(all, tags_);
      TagPage page = cut(0, habits_.knows_n ? std::min(count, habits_.page) : habits_.page);
      std::swap(all, tags_);
      return page;
    };
    return made;
  }

  size_t questions = 0;

 private:
  TagPage cut(size_t at, size_t most) {
    const size_t end = at + std::min(tags_.size() - at, most);
    TagPage page{{tags_.begin() + static_cast<ptrdiff_t>(at), tags_.begin() + static_cast<ptrdiff_t>(end)},
                 false};
    page.goes_on = habits_.links && end < tags_.size() && ++cuts_ > habits_.lost_links;
    return page;
  }

  std::vector<std::string> tags_;
  Habits habits_;
  size_t cuts_ = 0;
};

std::vector<std::string> numbered(size_t count) {
  std::vector<std::string> tags;
  for (size_t i = 0; i < count; ++i) tags.push_back("v" + std::to_string(1000 + i));
  return tags;
}

enum class Want { all, doubt, refusal };

TEST(TagList, IsWholeOrRefused) {
  struct Case {
    const char* what;
    Habits habits;
    size_t tags;
    Want want;
  };
  const Case cases[] = {
      {"all at once", {}, 7, Want::all},
      {"none", {}, 0, Want::all},
      {"one", {}, 1, Want::all},
      {"pages with links", {.page = 3}, 10, Want::all},
      {"pages with links, full to the last", {.page = 5}, 10, Want::all},
      {"pages without links", {.page = 3, .links = false}, 10, Want::all},
      {"the same, full to the last", {.page = 5, .links = false}, 10, Want::all},
      {"pages without links, larger than what is asked for", {.page = 250, .links = false}, 990, Want::all},
      {"a link that is lost in the middle", {.page = 3, .lost_links = 1}, 10, Want::all},
      {"several of them", {.page = 3, .lost_links = 3}, 100, Want::all},
      {"`last` means inclusive", {.counts_last = true}, 10, Want::all},
      {"the same in pages without links", {.page = 4, .links = false, .counts_last = true}, 10, Want::all},
      {"links, but no `last`", {.page = 3, .knows_last = false}, 10, Want::all},
      {"links, and every question refused", {.page = 3, .refuses = true}, 10, Want::all},
      {"another order than that of `last`", {.newest_first = true}, 10, Want::all},
      // docker-registry 2 pages in no way.
      {"neither `n` nor `last`", {.links = false, .knows_last = false, .knows_n = false}, 9, Want::all},
      {"every question refused", {.links = false, .refuses = true}, 9, Want::all},
      {"as many as a page may hold",
       {.links = false, .knows_last = false, .knows_n = false},
       100,
       Want::doubt},
      {"the same, refused", {.links = false, .refuses = true}, 1000, Want::doubt},
      // Parts without a way to go on: with more room there is more.
      {"`n` alone", {.links = false, .knows_last = false}, 9, Want::all},
      {"`n` alone, and links", {.knows_last = false}, 100, Want::all},
      {"`n` alone, and a cut", {.page = 100, .links = false, .knows_last = false}, 150, Want::doubt},
  };
  for (const Case& one : cases) {
    Registry registry(numbered(one.tags), one.habits);
    try {
      Client::TagList got = whole_tag_list(registry.server(), "r.example/a");
      std::sort(got.tags.begin(), got.tags.end());
      EXPECT_EQ(got.doubt.empty(), one.want == Want::all) << one.what << ": " << got.doubt;
      if (one.want == Want::all) {
        EXPECT_EQ(got.tags, numbered(one.tags)) << one.what;
      }
      EXPECT_LE(registry.questions, one.tags + 2) << one.what;
    } catch (const base::Error& error) {
      EXPECT_EQ(one.want, Want::refusal) << one.what << ": " << error.what();
    }
  }
}

TEST(TagList, AnswersThatMakeNoSenseAreRefused) {
  const std::vector<std::string> tags = {"a", "b", "c"};
  TagServer server;
  server.pages = [&] { return std::vector<TagPage>{{tags, false}}; };
  server.part = [&](const std::string& last, size_t /*count*/) -> std::optional<TagPage> {
    return TagPage{{last == "c" ? "a" : "c"}, false};
  };
  EXPECT_THROW(whole_tag_list(server, "r.example/a"), base::Error);
  size_t next = 0;
  server.part = [&](const std::string& /*last*/, size_t /*count*/) -> std::optional<TagPage> {
    return TagPage{{"t" + std::to_string(next++)}, false};
  };
  try {
    whole_tag_list(server, "r.example/a");
    FAIL();
  } catch (const base::Error& error) {
    EXPECT_NE(std::string(error.what()).find("r.example/a"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("it goes on for ever"), std::string::npos);
  }
}

TEST(TagList, BodiesAreReadStrictly) {
  using Tags = std::vector<std::string>;
  EXPECT_EQ(parse_tags(R"({"name": "a", "tags": ["1", "2"]})", "x"), (Tags{"1", "2"}));
  for (const char* none :
       {R"({"name": "a", "tags": null})", R"({"name": "a", "tags": []})", R"({"name": "a"})"})
    EXPECT_EQ(parse_tags(none, "x"), Tags{}) << none;
  for (const char* wrong : {"", "{}", "[]", "null", "<html>", R"({"errors": [{"code": "DENIED"}]})",
                            R"({"name": "a", "tags": "1"})", R"({"tags": ["1", 2]})", R"({"tags": ["a/b"]})",
                            R"({"tags": [""]})", R"({"tags": [null]})"})
    EXPECT_THROW(parse_tags(wrong, "x"), base::Error) << wrong;
}

}  // namespace
}  // namespace minibuild::registry
