// How a build tells what it does: a bar on a terminal, plain lines, JSON lines, or nothing.
#pragma once

#include <memory>
#include <string>

#include "minibuild/build/build.h"

namespace minibuild::cli {

/// `mode` is auto, plain, json or none; auto is a bar if stderr is a terminal, else plain.
std::unique_ptr<build::Progress> make_progress(const std::string& mode);

/// Notes as lines of stderr, for commands that are done soon: `SUBJECT: TEXT`.
std::unique_ptr<build::Progress> make_notes();
/// For commands that only look; waits are still told.
std::unique_ptr<build::Progress> make_silence();

/// Seconds of a clock that only goes forward.
double seconds_now();

}  // namespace minibuild::cli
