#include "builder/registry/pages.h"

#include "builder/registry/credential_rule.h"
#include "minibuild/base/text.h"

namespace minibuild::registry {

using base::fail;

namespace {

constexpr size_t max_pages = 1000;

}  // namespace

Pages::Pages(const Place& place, std::string what, const Network& network)
    : place_(place),
      what_(std::move(what)),
      patience_(20 * std::chrono::seconds(network.patience)),
      until_(std::chrono::steady_clock::now() + patience_) {}

bool Pages::next(const HttpResponse& response, Call& call) {
  const std::string link = next_link(response.all_headers("link"));
  if (link.empty()) return false;
  const Url url = parse_url(link, &response.from);
  if (!url.same_origin(place_.base))
    fail("{}: the list goes on at another host, {}", what_, base::printable(authority(url)));
  seen_.insert(response.from.text);
  if (!seen_.insert(url.text).second) fail("{}: the list has no end: a page of it comes twice", what_);
  if (seen_.size() >= max_pages) fail("{}: the list has more than {} pages", what_, max_pages);
  if (std::chrono::steady_clock::now() > until_)
    fail("{}: the list has no end within {} s (--network-timeout waits longer)", what_, patience_.count());
  call.path = url.text;
  return true;
}

}  // namespace minibuild::registry
