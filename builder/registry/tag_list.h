// All tags of a repository, or the reason why nobody can tell whether they are all.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "minibuild/registry/client.h"

namespace minibuild::registry {

/// What one request for tags gave.
struct TagPage {
  std::vector<std::string> tags;
  bool goes_on = false;  // it names a page after it
};

/// The body of such an answer: `{"tags": […]}`, where null means none. Throws Error naming `what` for
/// anything else, also for an entry that cannot be a tag: whatever it stands for may need what others do not.
std::vector<std::string> parse_tags(const std::string& body, const std::string& what);

/// A server of tags, as `whole_tag_list` sees it.
struct TagServer {
  /// The list as the server gives it to who asks for no part: its pages, as long as each names the next.
  std::function<std::vector<TagPage>()> pages;
  /// What comes after the tag `last` (from the start if it is empty), at most `count` tags. Nothing if the
  /// server refuses the question.
  std::function<std::optional<TagPage>(const std::string& last, size_t count)> part;
};

/// All tags, each once. A list may end without a word about what follows, in the middle. So the server is
/// asked what comes after the last tag; what comes is added, and so on until nothing comes
/// (distribution-spec, "Listing Tags", `n` and `last`). A server that pages in no way at all is believed,
/// with a doubt if the number is that of a full page. Throws Error with what to do where a part is certain,
/// or nothing is.
Client::TagList whole_tag_list(const TagServer& server, const std::string& what);

}  // namespace minibuild::registry
