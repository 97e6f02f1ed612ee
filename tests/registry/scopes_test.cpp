#include "builder/registry/scopes.h"

#include <gtest/gtest.h>

namespace minibuild::registry {
namespace {

TEST(Scopes, OfAChallengeAreAdded) {
  struct Case {
    const char* ours;
    const char* asked;
    const char* want;
  };
  const Case cases[] = {
      {"repository:a:pull", "", "repository:a:pull"},
      {"repository:a:pull", "repository:a:pull", "repository:a:pull"},
      {"repository:a:pull,push", "repository:a:push,pull", "repository:a:pull,push"},
      {"repository:a:pull,push", "repository:a:pull", "repository:a:pull,push"},
      {"repository:a:pull", "repository:a:pull,push", "repository:a:pull,push"},
      {"repository:a:pull", "repository:b/a:pull", "repository:a:pull repository:b/a:pull"},
      {"repository:a:pull repository:b:pull", "repository:b:pull repository:c:pull",
       "repository:a:pull repository:b:pull repository:c:pull"},
      {"repository:a:pull", "repository:h:80/a:pull", "repository:a:pull repository:h:80/a:pull"},
      {"repository:a:pull", "aws", "repository:a:pull aws"},
      {"repository:a:pull", "  ", "repository:a:pull"},
  };
  for (const Case& one : cases) EXPECT_EQ(merged_scopes(one.ours, one.asked), one.want) << one.asked;
  EXPECT_EQ(merged_scopes("repository:a:pull", std::string(5000, 'x')), "repository:a:pull");
}

}  // namespace
}  // namespace minibuild::registry
