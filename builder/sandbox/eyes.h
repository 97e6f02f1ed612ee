// Questions about the machine and their answers, between the caller and the process that looks for it.
#pragma once

#include <functional>
#include <string>

#include "minibuild/sandbox/host_view.h"

namespace minibuild::sandbox {

enum class Question : char { look = 'l', below = 'b' };

/// The caller's side. `visit` gets each thing that was seen: the path itself, or what is below it.
void ask(int socket, Question question, const std::string& path,
         const std::function<void(const std::string& path, const HostView::Seen& seen)>& visit);
/// The other side: answers, by what its own root holds, until the caller closes the socket.
void answer_questions(int socket);

}  // namespace minibuild::sandbox
