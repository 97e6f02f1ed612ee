#!/usr/bin/env bash
# The sandbox, and when stages run: what commands see, what they cannot do, why a stage runs again, how failures look.
. "$(dirname "$0")/lib.sh"
log() { "$MINIBUILD" build --progress plain "$@" 2>&1 > /dev/null | grep -v '^  '; }

mkdir -p p/src && echo one > p/src/a.txt && echo two > p/src/b.txt
cat > p/minibuild.yaml << 'E2'
minibuild: 1
image: registry.example.com/team/stages:1
args: { WORD: hello }
stages:
  first:
    base: host
    copy: [{ from: src, to: /src }]
    env: { NAME: value, LATER: "${env.PATH}:/more" }
    workdir: /made
    caches: [/var/cache/kept]
    run:
      - cat /src/*.txt > all && echo ${WORD} >> all && echo "$NAME" >> all
      - [sh, -c, 'echo "$1" >> all', sh, argument]
      - date +%s%N >> /var/cache/kept/runs && wc -l < /var/cache/kept/runs > /runs
  second:
    base: { stage: first }
    run: cp /made/all /copied && ln /copied /linked && ln -s copied /link && mkfifo /pipe && chmod 4755 /copied && (sleep 100 &)
  unused:
    base: host
    run: exit 1
copy:
  - { stage: second, from: /copied, to: /copied }
  - { stage: first, from: /made/all, to: /etc/ }
  - { stage: second, from: /link*, to: /links/ }
user: 65532
E2
spec=p/minibuild.yaml
first_log=$(log $spec -o dir:out)
same "both stages run, the unused one does not" "$first_log" "first: run, not built before
second: run, not built before
registry.example.com/team/stages:1"
same "the content" "$(xargs < out/etc/all)" "one two hello value argument"
same "setuid is not copied" "$(stat -c %a out/copied)" 755
same "a link that a glob matches stays one" "$(readlink out/links/link)" copied
check "no sleep is left" bash -c '! pgrep -f "^sleep 100$"'
same "then nothing runs" "$(log $spec -o dir:out | head -2 | xargs)" "first: cached second: cached"
echo changed > p/src/b.txt
same "a changed file runs the stage again, and says so" "$(log $spec -o dir:out | head -2)" "first: rerun, src/b.txt changed
second: rerun, the stage first changed"
touch p/src/new.txt
same "an added file" "$(log $spec -o dir:out | head -1)" "first: rerun, src/new.txt added"
rm p/src/new.txt
same "back again it is in the cache" "$(log $spec -o dir:out | head -1)" "first: cached"
same "an argument" "$(log $spec -o dir:out --set WORD=bye | head -1)" "first: rerun, the command 'cat /src/*.txt > all && echo bye >> all && echo \"\$NAME\" >...' added and 2 more"
chmod 755 p/src/a.txt
same "a mode" "$(log $spec -o dir:out | head -1 | cut -c1-26)" "first: rerun, src/a.txt ch"
"$MINIBUILD" build --progress none $spec --stage first -o dir:first
check "the stage's files" grep -q one first/made/all
check "caches are kept between runs" test "$(cat first/runs)" -ge 4
check "and are not in the result" test ! -e first/var/cache/kept

# What a command sees and may do.
mkdir q && cat > q/minibuild.yaml << 'E2'
minibuild: 1
image: registry.example.com/team/sandbox:1
stages:
  look:
    base: host
    workdir: /tmp
    run: |
      env | grep -v ^OLDPWD | cut -d= -f1 | sort | xargs > env
      ls / | xargs > top
      ps -e 2> /dev/null | wc -l > processes || ls -d /proc/[0-9]* | wc -l > processes
      ls /home /run /etc/shadow /etc/ssl/private /root/.ssh > hidden 2> /dev/null || true
      (touch /usr/x || touch /opt/x || touch /etc/alternatives/x) > writable 2>&1 && echo wrote >> writable || true
      (echo 0 > /proc/sys/kernel/sysrq || echo b > /proc/sysrq-trigger || mount -t tmpfs none /mnt) 2> /dev/null && echo done > mighty || echo no > mighty
      (cat < /dev/tcp/127.0.0.1/1 || ip route get 192.0.2.1) > network 2>&1 || true
      ls /sys/class/net > interfaces 2> /dev/null || cut -d: -f1 /proc/net/dev | tail -n +3 | xargs > interfaces
      find / -xdev -type s 2> /dev/null | wc -l > sockets
      chmod 0 env && mkdir locked && echo in > locked/file && chmod 0 locked
copy: [{ stage: look, from: /tmp, to: /seen }]
user: 65532
E2
check "the stage that looks around" "$MINIBUILD" build q/minibuild.yaml -o dir:q.out --progress plain
seen() { cat "q.out/seen/$1"; }
same "the environment" "$(seen env)" "HOME LC_ALL PATH PWD SOURCE_DATE_EPOCH TZ"
same "no files of the host" "$(seen hidden)" ""
checks=$((checks + 1)); grep -q wrote q.out/seen/writable && { echo "FAILED: a command wrote to the host"; failures=$((failures + 1)); }
same "no power over the kernel" "$(seen mighty)" "no"
same "the network is loopback alone" "$(seen interfaces | xargs)" "lo"
check "few processes" test "$(seen processes)" -lt 12
same "files without permissions are read" "$(cat q.out/seen/locked/file)" in

# Failures.
mkdir f && cat > f/minibuild.yaml << 'E2'
minibuild: 1
image: registry.example.com/team/fails:1
stages:
  build: { base: host, run: ["echo fine", "echo about to fail; exit 7"] }
copy: [{ stage: build, from: /x, to: /x }]
user: 1
E2
"$MINIBUILD" build f/minibuild.yaml --progress none -o oci:f.oci > f.out 2> f.err
same "a failed command fails the build" "$?" 1
same "with its text, status and last lines" "$(cat f.err)" "minibuild: error: the stage 'build' failed with exit status 7
  command: echo about to fail; exit 7
  its last lines:
    fine
    about to fail"
same "and writes nothing" "$(cat f.out; ls -d f.oci 2> /dev/null)" ""
same "no work is left" "$(ls cache/work cache/tmp | grep -v : | xargs)" ""

# Interruption: no process, no file, status 130.
sed -i 's/exit 7/sleep 77/' f/minibuild.yaml
"$MINIBUILD" build f/minibuild.yaml --progress none -o oci:f.oci > /dev/null 2> f.err &
pid=$!
for _ in $(seq 100); do pgrep -f '^sleep 77$' > /dev/null && break; sleep 0.05; done
kill -INT $pid; wait $pid
same "interrupted is 130" "$?" 130
same "and says so" "$(cat f.err)" "minibuild: interrupted"
check "the command is gone" bash -c '! pgrep -f "^sleep 77$"'
same "no work is left after an interruption" "$(ls cache/work cache/tmp | grep -v : | xargs)" ""
"$MINIBUILD" build f/minibuild.yaml --progress none -o oci:f.oci > /dev/null 2>&1 &
pid=$!
for _ in $(seq 100); do pgrep -f '^sleep 77$' > /dev/null && break; sleep 0.05; done
kill -KILL $pid; wait $pid 2> /dev/null; sleep 0.3
check "killed: the command is gone too" bash -c '! pgrep -f "^sleep 77$"'
"$MINIBUILD" build p/minibuild.yaml --progress none -o oci:p.oci --no-cache > /dev/null
same "the next build removes what was left" "$(ls cache/work cache/tmp | grep -v : | xargs)" ""
# What a stage left beside a path that is not there.
printf 'minibuild: 1\nstages: { s: { base: host, run: ["mkdir -p /out/app && cd /out && touch one two"] } }\ncopy: [{ stage: s, from: /out/tow, to: /x }, { stage: s, from: /usr/bin/not-there, to: /y }]\nuser: 1\n' > beside.yaml
same "what is beside it" "$(build beside.yaml -o tar:o.tar 2>&1 | head -1)" "beside.yaml:3:8: error: cannot copy '/out/tow' from the stage 's': it is not there; /out has: app, one, two"
sed -i 's,{ stage: s\, from: /out/tow\, to: /x }\, ,,' beside.yaml
same "not where there is much" "$(build beside.yaml -o tar:o.tar 2>&1 | head -1)" "beside.yaml:3:8: error: cannot copy '/usr/bin/not-there' from the stage 's': it is not there"
finish
