// The command line.
#pragma once

namespace minibuild::cli {

/// Runs a command as the arguments say; the exit status: 0 done, 1 failed, 2 wrong usage or spec, 3 refused,
/// 130 interrupted. stdout gets the result only, all else goes to stderr.
int run(int argc, char** argv);

}  // namespace minibuild::cli
