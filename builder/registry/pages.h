// Lists that come in pages.
#pragma once

#include <chrono>
#include <set>
#include <string>

#include "builder/registry/session.h"

namespace minibuild::registry {

/// Goes from page to page of a list, to its end: at the same host, no page twice, for a limited time.
class Pages {
 public:
  Pages(const Place& place, std::string what, const Network& network);

  /// False after the last page; else `call` asks for the next one, whose address is relative to that of the
  /// page that names it.
  bool next(const HttpResponse& response, Call& call);

 private:
  const Place& place_;
  std::string what_;
  std::chrono::seconds patience_;
  std::chrono::steady_clock::time_point until_;
  std::set<std::string> seen_;
};

}  // namespace minibuild::registry
