// How a build reports progress: a bar on a terminal, plain lines, JSON lines, or nothing.
#pragma once

#include <memory>
#include <string>

#include "minibuild/build/build.h"

namespace minibuild::cli {

/// `mode` is auto, plain, json or none; auto is a bar if stderr is a terminal, else plain.
std::unique_ptr<build::Progress> make_progress(const std::string& mode);

/// Notes as lines on stderr, for short commands: `SUBJECT: TEXT`.
std::unique_ptr<build::Progress> make_notes();
/// For read-only commands; waits are still reported.
std::unique_ptr<build::Progress> make_silence();

/// Seconds on a monotonic clock.
double seconds_now();

}  // namespace minibuild::cli
