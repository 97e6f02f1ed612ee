#include "builder/registry/tag_list.h"

#include <algorithm>
#include <array>
#include <set>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/oci/json.h"
#include "minibuild/oci/reference.h"

namespace minibuild::registry {

using base::fail;

namespace {

// How many are asked for: no more than any server refuses.
constexpr size_t part_size = 100;
constexpr size_t max_parts = 1000;
// Sizes of pages that servers have: a list that is as long may go on.
constexpr std::array<size_t, 8> page_sizes = {100, 200, 250, 500, 1000, 2000, 5000, 10000};

bool contains(const TagPage& page, const std::string& tag) {
  return std::find(page.tags.begin(), page.tags.end(), tag) != page.tags.end();
}

class Walk {
 public:
  Walk(const TagServer& server, std::string what) : server_(server), what_(std::move(what)) {}

  Client::TagList run() {
    const std::vector<TagPage> pages = server_.pages();
    for (const TagPage& page : pages) add(page);
    bool by_name = false;
    for (size_t parts = 0; !found_.tags.empty(); ++parts) {
      if (parts == max_parts) unclear("it goes on for ever");
      const std::string last =
          by_name ? *std::max_element(found_.tags.begin(), found_.tags.end()) : found_.tags.back();
      const std::optional<TagPage> after = server_.part(last, part_size);
      if (after && after->tags.empty()) break;
      if (after && add(*after)) continue;
      // Who names its pages has named the last one too.
      if (pages.size() > 1) break;
      if (!after || contains(*after, last)) {
        // Some count `last` itself as well. If there is more in it, the question was not understood.
        if (!after || after->tags.size() > 1) judge_without_last();
        break;
      }
      // It has another order than the one that it gives them in.
      if (by_name) unclear("asked for what comes after the last one, it names others");
      by_name = true;
    }
    return std::move(found_);
  }

 private:
  // True if one of them is new.
  bool add(const TagPage& page) {
    found_.largest_page = std::max(found_.largest_page, page.tags.size());
    const size_t before = found_.tags.size();
    for (const std::string& tag : page.tags)
      if (seen_.insert(tag).second) found_.tags.push_back(tag);
    return found_.tags.size() > before;
  }

  // The server gave one page that names no other, and does not know `last`.
  void judge_without_last() {
    const std::optional<TagPage> one = server_.part("", 1);
    if (one && one->goes_on) return;  // it would have named a page after the first, too
    if (one && one->tags.size() == 1 && found_.tags.size() > 1) {
      // It cuts lists, and does not say so: then with more room, until there is room left.
      for (size_t parts = 0;; ++parts) {
        const std::optional<TagPage> more = server_.part("", 2 * found_.tags.size());
        if (!more || parts == max_parts)
          unclear("it gives a part when asked for one, without saying how to go on");
        if (!add(*more)) break;
      }
    }
    const size_t count = found_.tags.size();
    if (std::find(page_sizes.begin(), page_sizes.end(), count) != page_sizes.end())
      found_.doubt = text("that is how many a page may hold, and it knows no way to go on");
  }

  std::string text(const std::string& why) const {
    return fmt::format(
        "cannot tell whether the {} tags that the registry lists for {} are all: {}; an image that one of "
        "the "
        "others names could be taken for one that nobody needs. If they are all, push one more tag and try "
        "again; else delete with the registry's own means",
        found_.tags.size(), what_, why);
  }
  [[noreturn]] void unclear(const std::string& why) const {
    throw base::Error(base::Code::failed, text(why));
  }

  const TagServer& server_;
  std::string what_;
  Client::TagList found_;
  std::set<std::string> seen_;
};

}  // namespace

std::vector<std::string> parse_tags(const std::string& body, const std::string& what) {
  const oci::Json json = oci::parse_json(body, what);
  const auto list = json.is_object() ? json.find("tags") : json.end();
  const bool has_list = json.is_object() && list != json.end();
  // An empty list is written as null, or left out.
  const bool none = has_list ? list->is_null() : json.is_object() && json.contains("name");
  if (none) return {};
  if (!has_list || !list->is_array())
    fail("cannot read {}: got {}, want an object with 'tags'", what,
         base::printable(std::string_view(body).substr(0, 100)));
  std::vector<std::string> tags;
  for (const oci::Json& tag : *list) {
    if (!tag.is_string() || !oci::is_tag(tag.get<std::string>()))
      fail(
          "cannot read {}: it names {}, which cannot be a tag", what,
          base::printable(
              std::string_view(tag.dump(-1, ' ', true, oci::Json::error_handler_t::replace)).substr(0, 100)));
    tags.push_back(tag.get<std::string>());
  }
  return tags;
}

Client::TagList whole_tag_list(const TagServer& server, const std::string& what) {
  return Walk(server, what).run();
}

}  // namespace minibuild::registry
