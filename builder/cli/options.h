// The options of every command.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace minibuild::cli {

/// Adds every command with its options to `app`. Parsing then sets `chosen` to the action of the given
/// command.
void add_commands(CLI::App& app, std::function<int()>& chosen);

}  // namespace minibuild::cli
