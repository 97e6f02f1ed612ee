// What a process inherits from whoever started it, besides its environment.
#pragma once

#include <cstdint>

namespace minibuild::sandbox {

/// Gives this process fixed values for what it inherited and what a command could notice: umask, personality,
/// resource limits, niceness, scheduling, processors, timer slack, its place in the order of who is killed
/// when memory is short. What is higher than the caller is allowed stays as low as the caller's.
void forget_caller();
/// A session keyring of its own, in place of the caller's and the keys that it leads to. Called in the new
/// user namespace, which has a user keyring of its own.
void forget_keys();

}  // namespace minibuild::sandbox
