#!/usr/bin/env bash
# File systems that cannot do everything, or are full: the build goes on without what is missing, or ends at once with the
# cause, and nothing is left. What they answer is imitated by a library that is loaded before the C library.
. "$(dirname "$0")/lib.sh"
if grep -q __asan_init "$MINIBUILD"; then
  echo "not run: nothing can be preloaded before AddressSanitizer"
  exit 77
fi
cat > shim.c << 'E2'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>
// SHIM is a list of FUNCTION=ERROR. True, with errno set, if the function is in it.
static int fails(const char* name) {
  const char* list = getenv("SHIM");
  const char* at = list == NULL ? NULL : strstr(list, name);
  if (at == NULL || at[strlen(name)] != '=') return 0;
  errno = atoi(at + strlen(name) + 1);
  return 1;
}
#define REAL(name, ...) ((int (*)())dlsym(RTLD_NEXT, name))(__VA_ARGS__)
int renameat2(int a, const char* b, int c, const char* d, unsigned f) { return f && fails("renameat2") ? -1 : REAL("renameat2", a, b, c, d, f); }
int flock(int fd, int how) { return fails("flock") ? -1 : REAL("flock", fd, how); }
int fsync(int fd) { return fails("fsync") ? -1 : REAL("fsync", fd); }
int link(const char* a, const char* b) { return fails("link") ? -1 : REAL("link", a, b); }
int mkdir(const char* path, mode_t mode) { return strstr(path, "minibuild-tmp") && fails("mkdir") ? -1 : REAL("mkdir", path, mode); }
int fchmod(int fd, mode_t mode) { return fails("fchmod") ? -1 : REAL("fchmod", fd, mode); }
ssize_t write(int fd, const void* data, size_t size) {
  if (fd > 2 && fails("write")) return -1;
  return ((ssize_t(*)(int, const void*, size_t))dlsym(RTLD_NEXT, "write"))(fd, data, size);
}
static int lock(const char* name, int fd, int what, void* argument) {
  if (what == F_OFD_SETLK_NUMBER && fails("fcntl")) return -1;
  return ((int (*)(int, int, ...))dlsym(RTLD_NEXT, name))(fd, what, argument);
}
int fcntl(int fd, int what, ...) { va_list l; va_start(l, what); void* a = va_arg(l, void*); va_end(l); return lock("fcntl", fd, what, a); }
int fcntl64(int fd, int what, ...) { va_list l; va_start(l, what); void* a = va_arg(l, void*); va_end(l); return lock("fcntl64", fd, what, a); }
E2
cc -shared -fPIC -w -DF_OFD_SETLK_NUMBER=37 -o shim.so shim.c -ldl || { echo "not run: no C compiler"; exit 77; }
cat > minibuild.yaml << 'E2'
minibuild: 1
image: example.com/team/place:1
copy: [{ from: data, to: /data }]
user: 65532
E2
mkdir data && echo one > data/one && ln data/one data/two
want=$(build minibuild.yaml -o oci:want.oci) || exit 1
build minibuild.yaml -o dir:want.dir > /dev/null
on() { # FAULTS ARGUMENT…: a build on such a file system
  local shim=$1
  shift
  SHIM=$shim LD_PRELOAD=$SCRATCH/shim.so timeout 60 "$MINIBUILD" build --progress none --cache-dir "$SCRATCH/cache.there" "$@"
}
left() { find . -name '*minibuild-tmp*' | sort | xargs; }

# What is missing and not needed. EPERM 1, EINVAL 22, ENOLCK 37, ENOSYS 38, EOPNOTSUPP 95.
for fault in renameat2=22 renameat2=38 flock=37 flock=95 fcntl=37 fcntl=22 fsync=22 link=1 link=95 \
  renameat2=22,flock=37,fcntl=37,fsync=22,link=1; do
  rm -rf cache.there out.oci out.dir
  same "$fault: a new layout" "$(on $fault minibuild.yaml -o oci:out.oci 2>&1)" "$want"
  same "$fault: one that is there" "$(on $fault minibuild.yaml -o oci:out.oci:other 2>&1)" "$want"
  check "$fault: it is valid" python3 "$SOURCE/tests/e2e/validate.py" out.oci
  same "$fault: a new directory" "$(on $fault minibuild.yaml -o dir:out.dir 2>&1)" "$want"
  same "$fault: one that is replaced" "$(on $fault minibuild.yaml -o dir:out.dir 2>&1)" "$want"
  check "$fault: it has the files" diff -r out.dir want.dir
  same "$fault: an archive" "$(on $fault minibuild.yaml -o oci-archive:out.tar 2>&1)" "$want"
  same "$fault: nothing is left" "$(left)" ""
done
same "without locks nothing is collected" "$(SHIM=flock=37 LD_PRELOAD=$SCRATCH/shim.so timeout 60 "$MINIBUILD" cache gc --cache-dir cache.there 2>&1)" \
  "minibuild: error: cannot lock cache.there/lock: its file system knows no locks, so what is in use cannot be told"

# What a build cannot do without: the cause is told, at once, and nothing is left. EIO 5, EACCES 13, EEXIST 17, ENOSPC 28.
while read -r fault output cause; do
  rm -rf cache.there out.*
  on "$fault" minibuild.yaml -o "$output" > out.log 2>&1
  same "$fault $output: exit status" "$?" 1
  check "$fault $output: the cause is told" grep -qF "$cause" out.log
  same "$fault $output: nothing is left" "$(find . -name 'out.*' ! -name out.log | xargs) $(left)" " "
done << 'E2'
write=28 oci:out.oci No space left on device
write=28 oci-archive:out.tar No space left on device
write=28 dir:out.dir No space left on device
write=5 oci:out.oci Input/output error
mkdir=28 oci:out.oci No space left on device
mkdir=13 oci:out.oci Permission denied
mkdir=17 oci:out.oci File exists
mkdir=30 dir:out.dir Read-only file system
fchmod=1 oci-archive:out.tar Operation not permitted
fsync=5 oci-archive:out.tar Input/output error
flock=5 oci:out.oci Input/output error
E2

# Pipes, devices, sockets and directories in the place of files: refused at once, whoever names them.
mkfifo pipe; mkdir directory
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
write_spec() { printf 'minibuild: 1\nimage: example.com/team/place:1\ncopy: [{ from: data, to: /data }]\nuser: 65532\n%s\n' "$1" > with.yaml; }
for what in pipe directory socket /dev/zero; do
  for arguments in "build $what" "check $what" "plan $what" "lock $what" "build minibuild.yaml --secret id=a,src=$what" \
    "build minibuild.yaml --sign-key $what" "scan --image oci:want.oci --vex $what" "verify oci:want.oci --key $what" \
    "build minibuild.yaml -o oci-archive:$what" "check --image oci:want.oci --policy $what" "inspect $what"; do
    [ "$arguments" = "inspect directory" ] && continue
    timeout 20 "$MINIBUILD" $arguments > got.log 2>&1 < /dev/null
    status=$?
    same "$arguments: ends with an error" "$([ $status = 1 ] || [ $status = 2 ] && echo 1)" 1
  done
  for line in "policy: { file: $what }" "policy: { baseline: [$what] }"; do
    write_spec "$line"
    timeout 20 "$MINIBUILD" build with.yaml > got.log 2>&1
    status=$?
    same "$line: ends with an error" "$([ $status = 1 ] || [ $status = 2 ] && echo 1)" 1
  done
done
ln -s pipe .minibuildignore
same "an ignore list" "$(timeout 20 "$MINIBUILD" build --progress none minibuild.yaml 2>&1)" "minibuild: error: cannot open ./.minibuildignore: it is a pipe, not a file"
rm .minibuildignore
same "a spec that is a pipe" "$(timeout 20 "$MINIBUILD" build pipe 2>&1)" "minibuild: error: cannot open pipe: it is a pipe, and a spec is a file: what it copies and its lock file lie beside it; write it to a file first"
same "a secret from a command" "$(timeout 20 "$MINIBUILD" build --progress none minibuild.yaml --secret id=a,src=<(echo much-too-secret) 2>&1)" "$want"

# A wait for another's lock is told, and ends with Ctrl-C.
rm -f started; ( flock 9; touch started; sleep 60 ) 9> cache/lock & holder=$!
until [ -e started ]; do sleep 0.02; done
"$MINIBUILD" build --progress plain minibuild.yaml > wait.out 2> wait.err & waiter=$!
for _ in $(seq 500); do grep -q waiting wait.err && break; sleep 0.02; done
kill -INT $waiter; wait $waiter
same "exit status of an interrupted wait" "$?" 130
same "the wait is told" "$(cat wait.err)" "waiting for another minibuild, which holds the lock on $SCRATCH/cache/lock
minibuild: interrupted"
pkill -P $holder; kill $holder; wait $holder 2> /dev/null
same "then it goes on" "$(build minibuild.yaml)" "$want"

# What multiplies is refused, not waited for.
python3 - << 'E2'
big = "x" * 1000000
open("grows.yaml", "w").write("minibuild: 1\nargs: { A: '%s' }\nlabels:\n" % big + "".join("  l%d: '%s'\n" % (i, "${A}" * 50) for i in range(1000)))
open("command.yaml", "w").write("minibuild: 1\nargs: { A: '%s' }\nstages: { a: { base: host, run: ['%s'] } }\n" % (big, "${A}" * 50))
open("aliases.yaml", "w").write("minibuild: 1\nlabels:\n  a: &a '%s'\n" % big + "".join("  l%d: *a\n" % i for i in range(1000)))
open("laughs.yaml", "w").write("minibuild: 1\na: &a0 [x, x]\n" + "".join("a%d: &a%d [*a%d, *a%d]\n" % (i, i, i - 1, i - 1) for i in range(1, 60)))
open("chain.yaml", "w").write("minibuild: 1\nstages:\n" + "".join("  s%d: { base: { stage: s%d }, run: ['true'] }\n" % (i, i + 1) for i in range(3000)) + "  s3000: { base: scratch }\n")
for i in range(12):
    open("on%d.yaml" % i, "w").write("minibuild: 1\nuser: 65532\nbase: ./on%d.yaml\nstages: { a: { base: ./on%d.yaml }, b: { base: ./on%d.yaml } }\ncopy: [{ stage: a, from: /x, to: /x }, { stage: b, from: /x, to: /y }]\n" % (i + 1, i + 1, i + 1))
open("on12.yaml", "w").write("minibuild: 1\nuser: 65532\nfiles: [{ file: /x, content: x }]\n")
E2
for name in grows command aliases laughs chain; do
  timeout 20 "$MINIBUILD" check $name.yaml > got.log 2>&1
  same "$name: exit status" "$?" 2
done
same "arguments that multiply" "$("$MINIBUILD" check grows.yaml 2>&1 | grep -o 'error: .*')" "error: the values of arguments make the spec grow by more than 16 MiB"
same "aliases that multiply" "$("$MINIBUILD" check laughs.yaml 2>&1 | grep -o 'error: .*')" "error: with what aliases repeat the spec has more than 200000 values"
same "stages without end" "$("$MINIBUILD" check chain.yaml 2>&1 | grep -o 'error: .*')" "error: the spec has more than 500 stages"
for command in "check" "plan" "build -o dir:on" "build --secret id=a,env=ON_SECRET -o dir:on"; do
  ON_SECRET=much-too-secret timeout 60 "$MINIBUILD" $command on0.yaml > got.log 2>&1
  same "specs on specs that multiply are looked at once each, $command" "$?" 0
done

# A limit on the size of files is a failed write, not a death without a word.
head -c 3000000 /dev/urandom > large
printf 'minibuild: 1\nuser: 65532\ncopy: [{ from: large, to: /large }]\n' > large.yaml
same "past ulimit -f" "$( ( ulimit -f 1000; "$MINIBUILD" build --progress none -o tar:large.tar large.yaml ) 2>&1 | grep -c 'error: cannot write .*File too large')" 1
finish
