// Where credentials may go: one rule for everything that sends one.
#pragma once

#include <string>

#include "builder/registry/session.h"

namespace minibuild::registry {

/// What a credential would be sent for.
enum class Errand {
  request,  // as the Authorization of a request for what a place has
  token,    // for a token, to the server that a challenge names
};

/// Why nothing that is secret may go to `to`; empty if it may. `place` is whose credential it is, `asked_by`
/// is who answered with the challenge (`place.base` where none is needed).
///
/// A credential belongs to the scheme, host and port of its place. It is sent there, and to the token server
/// that this very origin names; whoever else answers (the target of a redirect, of an upload's Location, of a
/// link to another page) gets none and cannot say where it should go. A server of plain files has no token
/// server but itself. Over plain HTTP nothing is sent to a host that --plain-http does not name, and nothing
/// at all on behalf of a place with https.
std::string why_withheld(const Place& place, const Url& asked_by, const Url& to, Errand errand,
                         const Network& network);

/// True if --plain-http names it: HOST or HOST:PORT, where 80 need not be said.
bool is_plain(const Network& network, const std::string& host);
/// HOST, or HOST:PORT where the port is not that of the scheme.
std::string authority(const Url& url);

}  // namespace minibuild::registry
