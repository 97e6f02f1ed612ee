#!/usr/bin/env bash
# The walls of the sandbox, each with attempts to get through it.
. "$(dirname "$0")/lib.sh"
pids=()
trap 'for pid in "${pids[@]}"; do kill "$pid" 2> /dev/null; done; chmod -R u+rwX "$SCRATCH" 2> /dev/null; rm -rf "$SCRATCH"' EXIT

# stage NAME KEYS COMMANDS: builds a spec of one stage on the host's tools, whose /out becomes the directory NAME.
stage() {
  mkdir -p "$1.d"
  { printf 'minibuild: 1\nimage: registry.example.com/team/walls:1\nstages:\n  s:\n    base: host\n%s\n    run: |\n      mkdir /out; cd /out\n' "$2"
    sed 's/^/      /' <<< "$3"
    printf 'copy: [{ stage: s, from: /out, to: / }]\nuser: 65532\n'; } > "$1.d/minibuild.yaml"
  "$MINIBUILD" build --progress plain "$1.d/minibuild.yaml" -o "dir:$1" > "$1.log" 2>&1
}

# System calls.
mkdir calls.d && cp "$SOURCE/tests/e2e/attempts.c" calls.d/
stage calls '    copy: [{ from: attempts.c, to: /src/ }]' 'cc -D_GNU_SOURCE -no-pie -o /tmp/attempts /src/attempts.c
/tmp/attempts > attempts
grep -E "^(NoNewPrivs|Seccomp):" /proc/self/status | tr -d "\t" > status
cat /proc/keys /proc/key-users /proc/timer_list > masked 2> /dev/null || true'
while read -r want name; do
  [ -n "$name" ] || continue
  same "system call: $name" "$(grep "^$name " calls/attempts)" "$name $want"
done << 'E2'
EPERM keyctl
EPERM add_key
EPERM request_key
EPERM bpf
EPERM perf_event_open
EPERM userfaultfd
ENOSYS io_uring_setup
ENOSYS io_uring_enter
EPERM mount
EPERM umount
EPERM fsopen
EPERM open_tree
EPERM move_mount
EPERM mount_setattr
EPERM pivot_root
EPERM setns
EPERM open_by_handle_at
EPERM kexec_load
EPERM init_module
EPERM finit_module
EPERM swapon
EPERM reboot
EPERM syslog
EPERM fanotify_init
EPERM unshare user
EPERM unshare net
EPERM unshare mount
EPERM unshare time
done unshare files
EPERM clone user
EPERM clone pid and high bits
ENOSYS clone3
EPERM TIOCSTI
EPERM high bits and TIOCSTI
EPERM TIOCLINUX
ENOSYS personality READ_IMPLIES_EXEC
done personality query
done personality ADDR_NO_RANDOMIZE
ENOSYS unknown call
done family 1
done family 2
done family 10
done family 16
EAFNOSUPPORT vsock and high bits
EAFNOSUPPORT netlink audit
EAFNOSUPPORT netlink uevents
done pair unix
EAFNOSUPPORT pair tipc
E2
same "no other family of sockets" "$(grep '^family' calls/attempts | grep -vcE ' (EAFNOSUPPORT|done)$')" 0
same "families that can be used" "$(grep '^family .* done$' calls/attempts | cut -d' ' -f2 | xargs)" "1 2 10 16"
if [ "$(uname -m)" = x86_64 ]; then
  same "x32" "$(grep '^x32' calls/attempts | xargs)" "x32 socket ENOSYS x32 unshare ENOSYS"
  # A kernel without i386 ends a program that asks; here it answers.
  same "i386" "$(grep '^i386' calls/attempts | sed 's/i386 getpid done//; s/socketcall EAFNOSUPPORT/socketcall ENOSYS/' | xargs)" \
    "i386 socket EAFNOSUPPORT i386 socketcall ENOSYS i386 unshare EPERM i386 clone EPERM i386 mount EPERM"
fi
same "the filter" "$(xargs < calls/status)" "NoNewPrivs:1 Seccomp:2"
same "the kernel's lists are empty" "$(wc -c < calls/masked)" 0

# What the caller has set.
what='ulimit -a > limits; umask > umask; nice > nice; uname -m > machine; nproc > processors; cat /proc/self/oom_score_adj > oom
cat /proc/self/personality > personality || true; cat /proc/self/timerslack_ns > slack
grep -E "^Sig(Blk|Ign)" /proc/self/status > signals; chrt -p 0 > scheduling; ionice > io; perl -e "print -t STDIN" > terminal'
if [ "$(id -u)" = 0 ]; then
  stage plain '' "$what"
  build_as() {
    rm -rf "$MINIBUILD_CACHE_DIR"
    "$@" bash -c '"$1" build --progress none plain.d/minibuild.yaml -o dir:changed' sh "$MINIBUILD" > changed.log 2>&1
    check "what '$*' sets does not reach a stage" diff -r plain changed
    rm -rf changed
  }
  limited() (
    ulimit -S -c unlimited; ulimit -n 512 -S -s 1024 -f 100000000 -u 5000 -t 5000 -l 64; umask 077
    trap '' INT USR1
    "$@"
  )
  build_as limited
  build_as nice -n 7
  build_as chrt -i 0
  build_as ionice -c 3
  build_as setarch -R
  build_as linux32
  build_as taskset -c 0
  build_as choom -n 300 --
else
  echo "not run: what the caller has set is only put back by root"
fi

# Limits: each is met, named, and told how to raise; without them a fork bomb and a full /dev/shm end by themselves.
limit() { # NAME LIMITS COMMANDS WANTED
  stage "limit-$1" "    limits: $2" "$3"
  check "limit: $1" grep -qF "$4" "limit-$1.log"
}
limit processes '{ processes: 200 }' 'python3 -c "
import os, time
for i in range(400):
    if os.fork() == 0: time.sleep(60); os._exit(0)"' "it met its limit of 200 processes and threads; if it needs more, write 'limits: { processes: 400 }' in the stage"
[ "$(id -u)" != 0 ] || limit users '{ processes: 100 }' 'python3 -c "
import os, time
for user in range(1, 10):
    if os.fork() == 0:
        os.setuid(user)
        for i in range(60):
            if os.fork() == 0: break
        time.sleep(60); os._exit(0)
time.sleep(60)"' "it met its limit of 100 processes and threads"
limit memory '{ memory: 200MB }' 'python3 -c "import time; x = bytearray(b\"x\") * 400000000; time.sleep(60)"' "it met its limit of 200.0 MB of memory"
limit memory-of-many '{ memory: 200MB }' 'python3 -c "import os, time; os.fork(); os.fork(); x = bytearray(b\"x\") * 50000000; time.sleep(60)"' "of memory; if it needs more, write 'limits: { memory: 400MB }' in the stage"
limit disk '{ disk: 50MB }' 'for i in 1 2 3 4 5; do head -c 20000000 /dev/urandom > $i; done; sync; sleep 60' "write 'limits: { disk: 100MB }' in the stage"
limit time '{ time: 1s }' '(trap "" TERM INT; sleep 60) & sleep 60' "if it needs more, write 'limits: { time: 1m }' in the stage"
stage shm '    limits: { memory: 40MB }' 'head -c 30000000 /dev/zero > /dev/shm/x || echo full > answer'
same "/dev/shm has an end" "$(cat shm/answer)" full
stage defaults '' '(awk "/Max processes/ { print \$3, \$4 }" /proc/self/limits; [ "$(df -k /dev/shm | tail -1 | awk "{print \$2}")" -le 1048576 ] && echo small) > answer'
same "limits without a word of them" "$(xargs < defaults/answer)" "2048 2048 small"
sed 's/limits: .*/limits: { memory: 50MB, time: 9m }/' shm.d/minibuild.yaml > shm.d/other.yaml
same "limits are not part of a stage's key" "$("$MINIBUILD" build --progress plain shm.d/other.yaml -o dir:other 2>&1 | grep -c '^s: cached')" 1

# The machine's network, from a network of the stage's own: the answers are those of `network: none`.
cat > services.py << 'E2'
import socket, threading
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try: out.connect(("192.0.2.77", 9)); own = out.getsockname()[0]
except OSError: own = "127.0.0.1"
def serve(s):
    while True: c, _ = s.accept(); c.sendall(b"reached"); c.close()
sockets = [socket.socket(socket.AF_UNIX), socket.socket(), socket.socket()]
sockets[0].bind("\0minibuild-walls-%s" % own); sockets[1].bind(("127.0.0.1", 0)); sockets[2].bind(("0.0.0.0", 0))
for s in sockets: s.listen(5)
open("services.part", "w").write("%s %d %d" % (own, sockets[1].getsockname()[1], sockets[2].getsockname()[1]))
import os; os.rename("services.part", "services")
for s in sockets[1:]: threading.Thread(target=serve, args=(s,), daemon=True).start()
serve(sockets[0])
E2
python3 services.py &
pids+=($!)
for _ in $(seq 100); do [ -s services ] && break; sleep 0.1; done
read -r own loopback any < services
reach='cat > /tmp/reach.py << E3
import socket
for family, place in [(socket.AF_UNIX, "\0minibuild-walls-'$own'"), (socket.AF_INET, ("127.0.0.1", '$loopback')), (socket.AF_INET, ("0.0.0.0", '$loopback')), (socket.AF_INET, ("'$own'", '$any'))]:
    s = socket.socket(family)
    try: s.connect(place); print(s.recv(9).decode())
    except OSError as e: print("refused")
E3
getent hosts localhost minibuild > names; python3 /tmp/reach.py > answers; env | grep -iE "proxy|^(SSL_CERT_FILE|PIP_CERT)=" | sort > variables; grep -c BEGIN.CERT /dev/minibuild/ca-certificates.crt > certificates || true'
HTTPS_PROXY=http://proxy.example.com:3128 no_proxy=example.org stage full $'    network: full\n    env: { PIP_CERT: /mine.pem }' "$reach"
if grep -q "install the package passt" full.log; then
  echo "not run: a network of the stage's own: $(grep -o 'no network of their own.*' full.log | head -1)"
else
  same "nothing of this machine is reached" "$(xargs < full/answers)" "refused refused refused refused"
fi
same "names: localhost and the sandbox's own" "$(awk '{ print $2 }' full/names | xargs)" "localhost minibuild"
want="HTTPS_PROXY=http://proxy.example.com:3128 PIP_CERT=/mine.pem"
[ ! -s /etc/ssl/certs/ca-certificates.crt ] || want+=" SSL_CERT_FILE=/dev/minibuild/ca-certificates.crt"
same "the caller's proxies and certificates" "$(xargs < full/variables)" "$want no_proxy=example.org"
same "they are not part of a stage's key" "$("$MINIBUILD" build --progress plain full.d/minibuild.yaml -o dir:again 2>&1 | grep -c '^s: cached')" 1
kill "${pids[0]}"; pids=()

# A stage that is not on the host's tools knows `localhost` too. The file goes afterwards, unless a command wrote it.
mkdir names.d && cat > names.d/copy.c << 'E2'
#include <fcntl.h>
#include <unistd.h>
int main(int n, char **v) {
  char b[4096];
  int in = open(v[1], O_RDONLY), out = open(v[2], O_WRONLY | O_CREAT | (n > 3 ? O_APPEND : 0), 0644);
  ssize_t got = read(in, b, sizeof b);
  return in < 0 || out < 0 || write(out, b, got) != got;
}
E2
cat > names.d/minibuild.yaml << 'E2'
minibuild: 1
image: registry.example.com/team/walls:1
stages:
  make: { base: host, copy: [{ from: copy.c, to: / }], run: cc -static -o /copy /copy.c }
  asks: { base: scratch, copy: [{ stage: make, from: /copy, to: /copy }], run: [[/copy, /etc/hosts, /names]] }
  writes: { base: scratch, copy: [{ stage: make, from: /copy, to: /copy }], files: [{ file: /more, content: "192.0.2.1 more\n" }], run: [[/copy, /more, /etc/hosts, x]] }
copy: [{ stage: asks, from: /, to: /asks }, { stage: writes, from: /, to: /writes }]
user: 65532
E2
check "stages on scratch" build names.d/minibuild.yaml -o dir:names
same "their names" "$(cat names/asks/names | xargs)" "127.0.0.1 localhost ::1 localhost 127.0.0.1 minibuild"
same "what is left of them" "$(ls names/asks | xargs)" "copy names"
same "what a command wrote stays" "$(tail -1 names/writes/etc/hosts)" "192.0.2.1 more"

# Where there are no user namespaces the advice is shown each time, also when the stage gets much.
mkdir advice && head -c 20000000 /dev/zero > advice/big && chmod -R a+rX . "$SCRATCH"
printf 'minibuild: 1\nimage: registry.example.com/team/walls:1\nstages: { s: { base: host, copy: [{ from: big, to: /big }], run: [[ "true" ]] } }\ncopy: [{ stage: s, from: /big, to: /big }]\nuser: 65532\n' > advice/minibuild.yaml
if unshare -U -r sh -c 'echo 0 > /proc/sys/user/max_user_namespaces' 2> /dev/null; then
  for i in 1 2 3 4 5; do
    unshare -U -r sh -c 'echo 0 > /proc/sys/user/max_user_namespaces; "$1" build --progress none advice/minibuild.yaml -o dir:none --cache-dir "$PWD/none$2" 2>&1' sh "$MINIBUILD" "$i" > advice.log
    check "the advice where user namespaces are forbidden" grep -q "No space left on device. They need user namespaces: check that sysctl user.max_user_namespaces" advice.log
  done
else
  echo "not run: advice where user namespaces are forbidden: none can be made to forbid them in"
fi

# Keys of the caller.
if ! command -v keyctl > /dev/null || ! keyctl show > /dev/null 2>&1; then
  echo "not run: keys of the caller: needs keyctl and a kernel that lets it work"
else
  what='perl -e '\''my ($t, $n) = ("user", "walls"); my $id = syscall(250, 10, -3, $t, $n); print $id, "\n"'\'' > search; cat /proc/keys > keys || true; grep -c walls keys > count || true'
  export -f stage
  export MINIBUILD what
  keyctl session walls bash -c 'keyctl add user walls canary @s > /dev/null && stage keys "" "$what"' > keys.log 2>&1
  same "the caller's key is not found" "$(cat keys/search keys/count | xargs)" "-1 0"
fi

# Sockets and pipes of the host: below what `base: host` shows, whatever they are bound as, and when.
if [ "$(id -u)" = 0 ] && place=$(mktemp -d /opt/walls-XXXXXX) && more=$(mktemp -d /usr/local/walls-XXXXXX); then
  # So are directories of /etc that tools read.
  settings=/etc/ssl/certs/${place##*/}
  trap 'for pid in "${pids[@]}"; do kill "$pid" 2> /dev/null; done; rm -rf "$place" "$more" "$settings"; chmod -R u+rwX "$SCRATCH" 2> /dev/null; rm -rf "$SCRATCH"' EXIT
  chmod 755 "$place" "$more"
  cat > listeners.py << 'E2'
import os, select, socket, sys
place, more, settings = sys.argv[1:4]
os.umask(0)
of_etc = socket.socket(socket.AF_UNIX); of_etc.bind(settings); of_etc.listen(5)
stream = socket.socket(socket.AF_UNIX); stream.bind(place + "/stream"); stream.listen(5)
os.chdir(more); relative = socket.socket(socket.AF_UNIX); relative.bind("relative"); relative.listen(5)
moved = socket.socket(socket.AF_UNIX); moved.bind(place + "/before"); moved.listen(5); os.rename(place + "/before", place + "/moved")
os.link(place + "/stream", more + "/linked")
datagram = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); datagram.bind(more + "/datagram")
packet = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); packet.bind(place + "/packet"); packet.listen(5)
os.mkfifo(place + "/pipe", 0o666); pipe = os.open(place + "/pipe", os.O_RDONLY | os.O_NONBLOCK)
print("ready", flush=True)
waiting = [of_etc, stream, relative, moved, datagram, packet, pipe]
while True:
    for one in select.select(waiting, [], [])[0]: print("reached", one, flush=True)
E2
  attempts='import os, socket, sys
for path, kind in [l.split() for l in """'"$place"'/stream 1
'"$more"'/relative 1
'"$place"'/moved 1
'"$more"'/linked 1
'"$more"'/datagram 2
'"$place"'/packet 5
'"$settings"' 1
/usr/../'"$place"'/stream 1""".splitlines()]:
    s = socket.socket(socket.AF_UNIX, int(kind))
    try: s.connect(path); s.send(b"from a stage"); print("reached", path)
    except OSError as e: print(type(e).__name__)
try: os.write(os.open("'"$place"'/pipe", os.O_WRONLY | os.O_NONBLOCK), b"from a stage"); print("reached the pipe")
except OSError as e: print(type(e).__name__)'
  python3 listeners.py "$place" "$more" "$settings" > reached 2>&1 &
  pids+=($!)
  for _ in $(seq 100); do grep -q ready reached && break; sleep 0.1; done
  stage sockets '' "cat > /tmp/a.py << 'E3'
$attempts
E3
python3 /tmp/a.py | sort | uniq -c > answers"
  same "nobody answers" "$(xargs < sockets/answers)" "8 ConnectionRefusedError 1 OSError"
  same "and nobody was reached" "$(xargs < reached)" ready

  # What is mounted below them is seen, and its sockets are not; the stage ends as others do. In a mount namespace of its own,
  # which a user namespace of ours then gets as locked mounts.
  mkdir "$place/mounted" "$more/mounted"
  if unshare -m true 2> /dev/null; then
    in_mounts() {
      mount -t tmpfs -o mode=755 none "$place/mounted" && mount -t tmpfs -o mode=755 none "$more/mounted" || return
      mkdir "$place/mounted/inner" && mount -t tmpfs -o mode=755 none "$place/mounted/inner"
      echo in > "$place/mounted/inner/file"; echo more > "$more/mounted/file"
      python3 -c 'import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1])' "$place/mounted/socket"
      stage mounted '' "cat $place/mounted/inner/file $more/mounted/file > files; test -S $place/mounted/socket || echo covered > socket"
    }
    export -f in_mounts stage
    export place more MINIBUILD
    check "a stage where something is mounted below /opt and /usr" unshare -m bash -c in_mounts
    same "sees what is mounted" "$(xargs < mounted/files)" "in more"
  else
    echo "not run: mounts below /opt and /usr: no mount namespace to make them in"
  fi
else
  echo "not run: sockets of the host: only root can put some below /opt and /usr"
fi

# A container's /proc with parts that are hidden: the kernel gives no other one, and the message says how to have it.
if unshare -U -r -m -p -f --mount-proc mount -t tmpfs none /proc/sys 2> /dev/null; then
  unshare -U -r -m -p -f --mount-proc sh -c 'mount -t tmpfs none /proc/sys; "$1" build --progress none advice/minibuild.yaml -o dir:none --cache-dir "$PWD/none" 2>&1' sh "$MINIBUILD" > advice.log
  check "the advice where parts of /proc are hidden" grep -q "systempaths=unconfined" advice.log
fi

# The machine has a name, and the name an address: Java and others ask for it.
stage name '' 'python3 -c "import socket; print(socket.gethostname(), socket.gethostbyname(socket.gethostname()), socket.gethostbyname(\"localhost\"))" > answer'
same "the host's own name" "$(cat name/answer)" "minibuild 127.0.0.1 127.0.0.1"

finish
