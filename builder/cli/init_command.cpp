// `minibuild init`: a starting spec after what the project's directory holds.
#include <fmt/format.h>

#include "builder/cli/commands.h"
#include "builder/cli/say.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"

namespace minibuild::cli {

namespace {

struct Kind {
  const char* sign;  // the file that tells what the project is
  const char* name;
  const char* stage;  // of the stage `build`, indented
  const char* from;   // what the stage leaves
};

const Kind kinds[] = {
    {"go.mod", "Go",
     "    env: { CGO_ENABLED: \"0\", GOFLAGS: -trimpath, GOCACHE: /cache/go, GOMODCACHE: /cache/mod }\n"
     "    caches: [/cache/go, /cache/mod]\n"
     "    network: full                        # for modules; 'none' once they are vendored\n"
     "    run:\n      - mkdir -p /out\n      - go build -o /out/@NAME@ .\n",
     "/out/@NAME@"},
    {"Cargo.toml", "Rust",
     "    env: { CARGO_HOME: /cache/cargo, CARGO_TARGET_DIR: /cache/target }\n"
     "    caches: [/cache/cargo, /cache/target]\n"
     "    network: full                        # for crates; 'none' once they are vendored\n"
     "    run:\n      - cargo build --release --locked\n      - mkdir -p /out && cp "
     "/cache/target/release/@NAME@ /out/\n",
     "/out/@NAME@"},
    {"CMakeLists.txt", "CMake",
     "    run:\n      - cmake -B /tmp/build -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=/usr\n"
     "      - cmake --build /tmp/build\n      - DESTDIR=/out cmake --install /tmp/build\n",
     "/out"},
    {"Makefile", "make", "    run:\n      - make\n", "/src/@NAME@"},
};

const char* const no_kind =
    "    run:\n      - mkdir -p /out\n      - cc -O2 -o /out/@NAME@ *.c     # how your project is built\n";

std::string replace_all(std::string text, const std::string& what, const std::string& with) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
  return text;
}

// A name that is good for a repository and for a program.
std::string project_name(const std::string& directory) {
  std::string name;
  for (const char c : base::file_name(base::real_path(directory))) {
    const char lower = base::lower_case(c);
    const bool fine = base::is_lower(lower) || base::is_digit(lower);
    if (fine)
      name.push_back(lower);
    else if (!name.empty() && name.back() != '-')
      name.push_back('-');
  }
  while (name.ends_with('-')) name.pop_back();
  return name.empty() ? "app" : name;
}

}  // namespace

int init(const InitArguments& arguments) {
  if (!base::is_directory(arguments.directory))
    throw base::Error(base::Code::usage, fmt::format("{} is not a directory", arguments.directory));
  const std::string path = arguments.directory + "/minibuild.yaml";
  const Kind* kind = nullptr;
  for (const Kind& one : kinds)
    if (kind == nullptr && base::exists(arguments.directory + "/" + one.sign)) kind = &one;
  const std::string from = kind == nullptr ? "/out/@NAME@" : kind->from;
  const bool is_tree = from == "/out";
  std::string text =
      "# A minimal image of this project. Build it with: minibuild\nminibuild: 1\nimage: "
      "registry.example.com/team/@NAME@:0.1.0\n\n";
  text +=
      "stages:\n  build:\n    base: host                           # the machine's own tools, read-only\n";
  text += "    copy:\n      - { from: ., to: /src }\n    workdir: /src\n";
  text += kind == nullptr ? no_kind : kind->stage;
  text += "\ncopy:\n";
  text += fmt::format(
      "  - {{ stage: build, from: {}, to: {}, closure: true }}   # with the shared libraries that it needs\n",
      from, is_tree ? "/" : "/usr/bin/@NAME@");
  text += "user: 65532                            # not root\nentrypoint: [/usr/bin/@NAME@]\n";
  text = replace_all(text, "@NAME@", project_name(arguments.directory));
  if (arguments.print) {
    print_result(text);
    return 0;
  }
  if (base::exists(path))
    throw base::Error(base::Code::failed, fmt::format("cannot write {}: it is there already", path));
  base::write_file_atomic(path, text);
  // What a build writes, and what says how, is not an input of it.
  const std::string ignore = arguments.directory + "/.minibuildignore";
  if (!base::exists(ignore) && !base::exists(arguments.directory + "/.dockerignore")) {
    base::write_file_atomic(
        ignore,
        "# Not copied by `from: "
        ".`\n.git\n.minibuildignore\nminibuild.yaml\nminibuild.lock.json\n*.oci\n*.oci.tar\n");
    say("wrote {}\n", ignore);
  }
  say("wrote {}{}\n", path,
      kind == nullptr ? "; say in its stage how the project is built"
                      : fmt::format(" for a {} project", kind->name));
  return 0;
}

}  // namespace minibuild::cli
