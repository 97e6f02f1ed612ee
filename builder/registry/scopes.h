// What a token is asked for.
#pragma once

#include <string>
#include <string_view>

namespace minibuild::registry {

/// The scopes of `ours` (`TYPE:NAME:ACTION[,ACTION]`, separated by spaces; docker/distribution, "token
/// scope"), and what `asked`, the scope of a challenge, has besides: another resource, or more actions on
/// one. A registry that is reached under another name than its own asks for the name that it knows.
std::string merged_scopes(std::string_view ours, std::string_view asked);

}  // namespace minibuild::registry
