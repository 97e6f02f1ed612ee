#include "builder/sandbox/control_group.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <vector>

#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/file_system.h"
#include "minibuild/base/text.h"

namespace minibuild::sandbox {

namespace {

constexpr std::string_view prefix = "minibuild-";
constexpr uint64_t processes_of_ours = 16;  // the sandbox's first process, and the way out of its network
constexpr size_t max_file = 1 << 20;

std::string read(const std::string& path) {
  try {
    return base::read_file(path, max_file);
  } catch (const base::Error&) {
    return {};
  }
}

bool write(const std::string& path, const std::string& text) {
  const base::Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

bool has_word(const std::string& text, std::string_view word) {
  for (const std::string& one : base::split(base::trim(text), ' '))
    if (one == word) return true;
  return false;
}

// The value of a line `KEY VALUE`.
uint64_t number_of(const std::string& path, std::string_view key) {
  for (const std::string& line : base::split(read(path), '\n'))
    if (line.starts_with(key) && line.size() > key.size() && line[key.size()] == ' ')
      return base::parse_number(line.substr(key.size() + 1)).value_or(0);
  return 0;
}

// Where cgroup v2 is mounted as a whole, from proc_pid_mountinfo(5); empty if it is not.
std::string mount_point() {
  for (const std::string& line : base::split(read("/proc/self/mountinfo"), '\n')) {
    const size_t dash = line.find(" - cgroup2 ");
    if (dash == std::string::npos) continue;
    const std::vector<std::string> fields = base::split(line.substr(0, dash), ' ');
    if (fields.size() > 4 && fields[3] == "/") return fields[4];
  }
  return {};
}

// The caller's own group, from cgroups(7): the line `0::PATH`.
std::string own_group() {
  for (const std::string& line : base::split(read("/proc/self/cgroup"), '\n'))
    if (line.starts_with("0::/")) return line.substr(3);
  return {};
}

bool is_marked(const std::string& directory) {
  char value = 0;
  for (const char* name : {"user.delegate", "trusted.delegate"})
    if (::getxattr(directory.c_str(), name, &value, 1) == 1 && value == '1') return true;
  return false;
}

// Whether the group, or one that it is in, was handed to the caller.
bool is_delegated(const std::string& top, const std::string& group) {
  struct stat st {};
  if (::geteuid() != 0) return ::stat((top + group).c_str(), &st) == 0 && st.st_uid == ::geteuid();
  for (std::string path = group; path.size() > 1; path = base::parent_path(path))
    if (is_marked(top + path)) return true;
  return false;
}

// Groups whose makers were killed.
void remove_stale(const std::string& directory) {
  DIR* open = ::opendir(directory.c_str());
  if (open == nullptr) return;
  while (const dirent* entry = ::readdir(open)) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with(prefix)) continue;
    const std::string_view rest = name.substr(prefix.size());
    const auto maker = base::parse_number(rest.substr(0, rest.find('-')), INT32_MAX);
    if (maker && ::kill(static_cast<pid_t>(*maker), 0) != 0 && errno == ESRCH)
      ::rmdir(fmt::format("{}/{}", directory, name).c_str());
  }
  ::closedir(open);
}

}  // namespace

std::unique_ptr<ControlGroup> ControlGroup::make(const Limits& limits) {
  const std::string top = mount_point();
  const std::string own = own_group();
  if (top.empty() || own.empty()) return nullptr;
  std::vector<std::string> places = {own};
  if (own != "/") places.push_back(base::parent_path(own));
  for (const std::string& place : places) {
    const std::string above = top + (place == "/" ? "" : place);
    const std::string given = read(above + "/cgroup.subtree_control");
    const bool memory = has_word(given, "memory");
    const bool processes = has_word(given, "pids");
    if ((!memory && !processes) || !is_delegated(top, place)) continue;
    remove_stale(above);
    const std::string directory = fmt::format("{}/{}{}-{}", above, prefix, ::getpid(), base::random_name());
    if (::mkdir(directory.c_str(), 0755) != 0) continue;
    std::unique_ptr<ControlGroup> group(new ControlGroup(directory));
    const bool set =
        (!memory || write(directory + "/memory.max", std::to_string(limits.memory))) &&
        (!processes || write(directory + "/pids.max", std::to_string(limits.processes + processes_of_ours)));
    if (memory) write(directory + "/memory.swap.max", "0");  // where there is no swap there is no such file
    if (set) return group;
  }
  return nullptr;
}

ControlGroup::~ControlGroup() {
  write(directory_ + "/cgroup.kill", "1");
  for (int i = 0; i < 100 && ::rmdir(directory_.c_str()) != 0 && errno == EBUSY; ++i) ::usleep(10'000);
}

bool ControlGroup::add(pid_t process) { return write(directory_ + "/cgroup.procs", std::to_string(process)); }

std::string ControlGroup::met() const {
  // `oom`: it was this group's limit that was reached, not that of one that it is in.
  const std::string memory = directory_ + "/memory.events";
  if (number_of(memory, "oom") > 0 && number_of(memory, "oom_kill") > 0) return "memory";
  return number_of(directory_ + "/pids.events", "max") > 0 ? "processes" : "";
}

}  // namespace minibuild::sandbox
