// Well-known credentials: self-test keys in libraries, values from standards and manuals. What is published
// is no secret, wherever it appears.
#pragma once

#include <string_view>

namespace minibuild::trust {

/// `fingerprint` is that of the credential with an empty path.
bool is_published(std::string_view fingerprint);

}  // namespace minibuild::trust
