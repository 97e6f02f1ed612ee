#!/usr/bin/env bash
# Limits that the kernel keeps: a group of cgroup v2 that is delegated as systemd delegates one, and minibuild in a leaf of it.
. "$(dirname "$0")/lib.sh"
top=$(awk '/ - cgroup2 / { print $5; exit }' /proc/self/mountinfo)
if [ "$(id -u)" != 0 ] || [ -z "$top" ] || [ "$(grep -owE 'memory|pids' "$top/cgroup.controllers" | sort -u | wc -l)" != 2 ]; then
  echo "not run: control groups need root, and cgroup v2 with the controllers memory and pids"
  exit 77
fi
given=$top/test-of-minibuild-$$
trap 'rmdir "$given"/minibuild-* "$given/leaf" "$given" 2> /dev/null; chmod -R u+rwX "$SCRATCH" 2> /dev/null; rm -rf "$SCRATCH"' EXIT
mkdir -p "$given/leaf" && echo '+memory +pids' > "$top/cgroup.subtree_control" && echo '+memory +pids' > "$given/cgroup.subtree_control" || exit 1
mark() { python3 -c 'import os, sys; os.setxattr(sys.argv[1], "trusted.delegate", sys.argv[2].encode())' "$given" "$1"; }
in_leaf() { (echo "$BASHPID" > "$given/leaf/cgroup.procs" && exec "$@"); }
spec() { printf 'minibuild: 1\nstages: { one: { base: host, run: ["%s"], limits: { %s } } }\ncopy: [{ stage: one, from: /f, to: /f }]\nuser: 1000\n' "$1" "$2"; }
run() { in_leaf "$MINIBUILD" build --progress none "$1" -o tar:o.tar --no-cache > out 2> err; }
groups_of() { find "$given" -maxdepth 1 -name 'minibuild-*' | wc -l; }

spec 'head -c 400000000 /dev/zero | tail -c 300000000 > /f' 'memory: 100MB' > memory.yaml
spec 'for i in $(seq 200); do sleep 5 & done; wait; echo all > /f' 'processes: 50' > processes.yaml
spec 'sleep 3; echo fine > /f' 'memory: 300MB, processes: 50' > fine.yaml
mark 1
mkdir "$given/minibuild-999999999-dead" # of a build that was killed
run memory.yaml
same "memory" "$? $(grep -c 'met its limit of 100.0 MB of memory' err)" "1 1"
run processes.yaml
same "processes" "$? $(grep -c 'met its limit of 50 processes and threads' err)" "1 1"
run fine.yaml &
for _ in $(seq 60); do [ "$(groups_of)" = 0 ] || break; sleep 0.05; done
same "the kernel's own figures" "$(cat "$given"/minibuild-*/memory.max "$given"/minibuild-*/pids.max | xargs)" "$((300000000 / 4096 * 4096)) 66"
wait $!
same "a stage that keeps within them" "$? $(tar xOf o.tar f)" "0 fine"
same "no group is left, nor the old one" "$(groups_of)" 0
mark 0
run fine.yaml &
seen=0
for _ in $(seq 40); do seen=$((seen + $(groups_of))); sleep 0.05; done
wait $!
same "without the mark none is made" "$? $seen" "0 0"
finish
