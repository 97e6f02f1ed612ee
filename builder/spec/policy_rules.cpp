// The rules of a policy: the one table of what they are called, what they find, and why it matters. What
// finds them is in the room `trust`.
#include "minibuild/spec/policy.h"

namespace minibuild::spec {

const std::vector<RuleInfo>& policy_rules() {
  using enum RuleInfo::Default;
  static const std::vector<RuleInfo> rules = {
      {"architecture", warning, "a program is for another processor than the image",
       "it cannot run where the image runs"},
      {"compiler", warning, "a compiler or build tool is in the image",
       "whoever breaks into the container can build what they need with it, and it makes the image large"},
      {"duplicate-account", off, "two accounts have one name or one number",
       "files and processes of one account belong to the other as well"},
      {"empty-password", off, "an account has no password",
       "anyone can become this account without a password"},
      {"entrypoint", warning, "the program that the image starts is missing or cannot run",
       "the container will not start"},
      {"file-capabilities", off, "a file has capabilities",
       "whoever runs the file gets rights of root, as with setuid"},
      {"label-schema", off, "a label is not what its name promises",
       "tools read these labels by their specification and will misread or drop them"},
      {"latest-tag", warning, "a reference has the tag 'latest'",
       "'latest' says nothing about what is in the image, and changes under its users"},
      {"leftover", off, "caches, histories or version control are in the image",
       "it is of no use at run time, makes the image large, and may tell more than it should"},
      {"max-severity", error, "a known vulnerability is worse than the policy allows",
       "a known hole of this severity can be attacked by anyone who reads the advisory"},
      {"max-size", error, "the image is larger than the policy allows",
       "size is start-up time, storage and attack surface; the policy sets what is reasonable"},
      {"missing-label", error, "a label that the policy wants is missing",
       "whoever runs the image finds out by this label where it comes from and who answers for it"},
      {"missing-library", warning, "a program needs a library that is not in the image",
       "the program fails when it starts"},
      {"network", warning, "a stage has the network while it runs",
       "what it fetches can change without a change of the spec or its lock file, and what it reads can be "
       "sent away"},
      {"package-manager", warning, "a package manager is in the image",
       "it lets software be installed into a running container, and the image is no longer what was built"},
      {"relative-workdir", off, "the working directory is not an absolute path",
       "where it lies depends on what the base has, and changes with it"},
      {"root-user", error, "the image runs as root",
       "a process that breaks out of the container is root on the host (CIS Docker Benchmark 4.1)"},
      {"secret", error, "something that looks like a credential is in the image",
       "everyone who can pull the image can read it, and it stays in the registry when the next image lacks "
       "it"},
      {"setuid", warning, "a file runs with the rights of its owner or group",
       "whoever runs the file gets the rights of its owner or group, which is the usual way to become root"},
      {"shell", warning, "a shell is in the image",
       "most attacks begin with a shell, and a service seldom needs one"},
      {"shell-form", off, "the entrypoint is run through a shell",
       "the shell is process 1 and does not pass on signals, so the program is killed instead of stopped"},
      {"ssh-port", off, "port 22 is exposed",
       "a container is managed from outside; a login server in it is one more way in"},
      {"system-mount", off, "a volume or the working directory lies on /proc, /sys or /dev",
       "it covers what the kernel or the runtime puts there, or shows it to the container"},
      {"unpinned", warning, "an input can change without a change of the spec or its lock file",
       "the same spec gives another image tomorrow, and nobody sees what changed"},
      {"untrusted-base", error, "the base is none of those that the policy trusts",
       "all that the base holds runs with the rights of the application"},
      {"user-name", off, "the user is a name, not a number",
       "Kubernetes cannot tell that a name is not root (runAsNonRoot), and the number depends on the base"},
      {"world-writable", warning, "a file can be changed by everyone",
       "any process of the container can change it, and so what others run or read"},
  };
  return rules;
}

}  // namespace minibuild::spec
