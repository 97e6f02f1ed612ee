#!/usr/bin/env bash
# A stage that reads secrets leaves no trace of them: not in the image, the cache, the log, the arguments or environments of
# any process, nor on any disk that the build wrote to.
. "$(dirname "$0")/lib.sh"
mkdir p out && cat > p/minibuild.yaml << 'E2'
minibuild: 1
image: registry.example.com/team/secret:1
stages:
  build:
    base: host
    workdir: /src
    secrets:
      - { id: token, env: TOKEN }
      - { id: key, file: /run/secrets/deep/key }
    run:
      - sha256sum < /run/secrets/deep/key | cut -c1-64 > key-proof
      - test "$(stat -c %a /run/secrets/deep/key)" = 400
      - echo "the token is $TOKEN"; cat /run/secrets/deep/key; printf %s "$TOKEN" | base64
      - printf %s "$TOKEN" | sha256sum | cut -c1-64 > proof
      - sleep 0.7
copy: [{ stage: build, from: /, to: /all }]
user: 65532
E2
token=tok-$(head -c 12 /dev/urandom | od -An -tx1 | tr -d ' \n')
printf 'correct horse\nbattery staple' > key-file
export SECRET_VARIABLE=$token

# What every process shows of itself while the stage runs; the caller's own environment holds the secret, of course.
watch() {
  local end=$((SECONDS + 20)) pid
  while [ $SECONDS -lt $end ] && [ ! -e done ]; do
    for pid in /proc/[0-9]*; do
      tr '\0' ' ' < "$pid/cmdline" 2> /dev/null | grep -F -e "$token" -e 'battery staple' && echo "in the arguments of $pid"
      # The inner process, seen from outside, has an empty environment; the commands have what they were given.
      if tr '\0' ' ' < "$pid/cmdline" 2> /dev/null | grep -q -- --minibuild-sandbox; then
        grep -aF "$token" "$pid/environ" > /dev/null 2>&1 && echo "in the environment of the inner process"
      fi
    done
    sleep 0.02
  done
}
watch > seen.txt 2> /dev/null &
watcher=$!
"$MINIBUILD" build --progress plain p/minibuild.yaml -o oci:s.oci -o docker-archive:s.docker.tar -o dir:s.dir --metadata-file meta.json \
  --secret id=token,env=SECRET_VARIABLE --secret id=key,src=key-file > out/digest 2> out/log
status=$?
touch done; wait $watcher
same "the build succeeds" "$status" 0
same "nothing in any process's arguments" "$(cat seen.txt)" ""
same "the stage had the token" "$(cat s.dir/all/src/proof)" "$(printf %s "$token" | sha256sum | cut -c1-64)"
same "and the key" "$(cat s.dir/all/src/key-proof)" "$(sha256sum < key-file | cut -c1-64)"
for form in "$token" 'correct horse' 'battery staple' "$(printf %s "$token" | base64)"; do
  same "not in the log: $form" "$(grep -cF "$form" out/log)" 0
  same "not on disk: $form" "$(grep -rlaF "$form" out s.oci s.docker.tar s.dir meta.json cache p | xargs)" ""
done
for blob in s.oci/blobs/sha256/*; do zstd -dcq < "$blob" 2> /dev/null; done > layers.bin
same "not in a layer" "$(grep -caF -e "$token" -e 'battery staple' layers.bin)" 0
check "the layer was looked into" grep -qa proof layers.bin
same "no stub of the secret's file" "$(find s.dir/all/run 2> /dev/null | xargs)" ""
check "the log shows that it was hidden" grep -q 'the token is \*\*\*' out/log
# Another value is not another key: the result is taken from the cache.
export SECRET_VARIABLE=other-value-entirely
"$MINIBUILD" build p/minibuild.yaml -o oci:s.oci --secret id=token,env=SECRET_VARIABLE --secret id=key,src=key-file > /dev/null 2> log2
check "a new token does not run the stage again" grep -q '^build: cached' log2
"$MINIBUILD" build p/minibuild.yaml -o oci:s.oci --no-cache > /dev/null 2> log3
same "a missing secret is wrong usage" "$?" 2
check "and says which" grep -q "the secret 'token' is not given; add --secret id=token" log3

# --- a stage that ends before its time has kept nothing: interrupted, its terminal closed, killed
cat > kept.yaml << 'E2'
minibuild: 1
stages:
  build:
    base: host
    workdir: /w
    caches: [/kept]
    secrets: [{ id: token, env: TOKEN }]
    run: ['printf %s "$TOKEN" > /kept/leak; printf %s "$TOKEN" > /w/leak; echo > /kept/fine; sleep 20; rm /kept/leak /w/leak; echo x > out']
copy: [{ stage: build, from: /w/out, to: /out }]
user: 1
E2
sed "s|run: .*|run: ['ls /kept > out']|" kept.yaml > look.yaml
export MINIBUILD_CACHE_DIR=$SCRATCH/kept-cache SECRET_VARIABLE=$token
for signal in INT HUP KILL; do
  "$MINIBUILD" build --progress none kept.yaml -o oci:kept.oci --secret id=token,env=SECRET_VARIABLE > /dev/null 2> log &
  process=$!
  for _ in $(seq 200); do grep -rqaF "$token" kept-cache/mounts 2> /dev/null && break; sleep 0.05; done
  check "$signal: the stage had written it" grep -rqaF "$token" kept-cache/mounts
  kill -$signal $process; wait $process 2> /dev/null
  [ $signal = KILL ] || same "$signal: nothing is left" "$(grep -rlaF "$token" kept-cache)" ""
  build look.yaml -o dir:look --secret id=token,env=SECRET_VARIABLE > /dev/null 2> log2
  same "$signal: the next stage finds nothing" "$? $(cat look/out) $(grep -rlaF "$token" kept-cache look)" "0 fine "
  rm -rf look
done
# --- every kept directory is searched, whatever is in another
sed -e 's|caches: .*|caches: [/kept, /other, /third]|' -e "s|run: .*|run: ['for d in /kept /other /third; do printf %s \"\$TOKEN\" > \$d/leak; done; echo x > out']|" kept.yaml > several.yaml
build several.yaml -o oci:several.oci --secret id=token,env=SECRET_VARIABLE 2> log2
same "several kept directories" "$? $(grep -rlaF "$token" kept-cache)" "3 "
build look.yaml -o "oci:x-$token:1" --secret id=token,env=SECRET_VARIABLE 2> log2
same "the name of the output" "$? $(grep -c "the secret 'token' stands in a destination" log2) $(grep -c -F "$token" log2)" "3 1 0"
# --- attributes of what is kept, directories as files
cat > attributes.yaml << 'E2'
minibuild: 1
stages:
  build:
    base: host
    workdir: /w
    caches: [/kept]
    secrets: [{ id: token, env: TOKEN }]
    run: ['mkdir -p /kept/d; echo > /kept/f; python3 -c "import os, sys; os.setxattr(sys.argv[1], \"user.x\", os.environ[\"TOKEN\"].encode())" PLACE; echo x > out']
copy: [{ stage: build, from: /w/out, to: /out }]
user: 1
E2
if (touch has-attributes && python3 -c 'import os; os.setxattr("has-attributes", "user.x", b"x")') 2> /dev/null; then
  for place in /kept /kept/d /kept/f; do
    sed "s|PLACE|$place|" attributes.yaml > attribute.yaml
    build attribute.yaml -o oci:attribute.oci --secret id=token,env=SECRET_VARIABLE 2> log2
    same "an attribute of $place" "$? $(grep -c "the secret 'token' stands in .* of a kept directory" log2) $(getfattr -R -d kept-cache/mounts 2> /dev/null | grep -c user.x)" "3 1 0"
  done
else
  echo "left out: attributes of kept directories; there are none here"
fi
# --- keys in PEM, as others write them
for kind in "RSA -pkeyopt rsa_keygen_bits:2048" "EC -pkeyopt ec_paramgen_curve:P-256" "EC -pkeyopt ec_paramgen_curve:P-384" ED25519; do
  openssl genpkey -algorithm $kind -out key.pem 2> /dev/null
  openssl pkey -in key.pem -outform DER -out der && openssl pkey -in key.pem -pubout -outform DER -out public && openssl pkey -in key.pem -traditional -outform DER -out old 2> /dev/null
  for form in der old public; do
    printf 'minibuild: 1\nuser: 1\ncopy: [{ from: %s, to: /key }]\npolicy: { allow: [{ rule: secret, reason: x }] }\n' $form > pem.yaml
    build pem.yaml -o oci:pem.oci --secret id=key,src=key.pem > /dev/null 2> log2
    same "$kind: $form" "$?" "$([ $form = public ] && echo 0 || echo 3)"
  done
done
# --- what is given twice, and what is fetched
build look.yaml -o dir:look --secret id=token,env=SECRET_VARIABLE --secret id=token,src=key-file 2> log2
same "two values for one id" "$? $(grep -c "gives 'token' twice" log2)" "2 1"
printf 'minibuild: 1\nargs: { A: "%s", B: "%s" }\nuser: 1\ncopy: [{ url: "http://127.0.0.1:9/${A}${B}", to: /f }]\n' "${token:0:9}" "${token:9}" > url.yaml
build url.yaml -o oci:url.oci --secret id=token,env=SECRET_VARIABLE 2> log2
same "in a URL" "$? $(grep -c "the secret 'token' stands in" log2) $(grep -c -F "$token" log2) $(ls url.lock.json url.oci 2> /dev/null)" "3 1 0 "
# --- a credential as an argument is in no provenance
printf 'minibuild: 1\nargs: { KEY: "", V: "" }\nuser: 1\nfiles: [{ file: /x, content: x }]\n' > argument.yaml
"$MINIBUILD" build argument.yaml -o oci:argument:1 --provenance --set KEY=glpat-aB3dE5fG7hI9jK1lM3nU --set V=7.1 2> log2
same "the value is left out" "$? $(grep -c 'warning: the value of --set KEY looks like a credential and is left out' log2) $(grep -rlF glpat-aB3dE5fG7hI9jK1lM3nU argument log2) $(grep -rlF '[secret --set KEY]' argument | wc -l) $(grep -rlF '"7.1"' argument | wc -l)" "0 1  1 1"
finish
