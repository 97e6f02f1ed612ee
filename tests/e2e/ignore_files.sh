#!/usr/bin/env bash
# Ignore files mean what Docker's own reader of them says (github.com/moby/patternmatcher): random ones, COUNT of them (600, or as
# tests/judged.sh says), through IgnoreList and through that reader; and a few through whole builds.
. "$(dirname "$0")/lib.sh"
answers=$(dirname "$MINIBUILD")/tests/ignore_answers
[ -x "$answers" ] || { echo "not run: $answers was not built (MINIBUILD_TESTS)"; exit 77; }
command -v go > /dev/null || { echo "not run: Docker's reader of ignore files is the judge, and go is not installed"; exit 77; }
if ! (cd "$SOURCE/tests/e2e/ignore_judge" && timeout 300 go build -buildvcs=false -mod=readonly -o "$SCRATCH/judge" .) > go.log 2>&1; then
  echo "not run: Docker's reader of ignore files cannot be downloaded or built"
  tail -3 go.log
  exit 77
fi
cases=$SOURCE/tests/e2e/ignore_cases.py
seed=${SEED:-$RANDOM}
python3 "$cases" "${COUNT:-600}" "$seed" > cases
"$answers" < cases > ours
./judge < cases > theirs 2> judge.log
check "${COUNT:-600} ignore files, seed $seed" python3 "$cases" compare cases ours theirs

# Through builds: what is in the image is what that reader leaves in, also below directories that are left out.
mkdir -p project/{d/e/f,node_modules/x,'[a]'} && cd project
touch a b.md README.md d/{a,b.md} d/e/{a,c.md} d/e/f/{b,c.txt} node_modules/x/a '[a]/b' 'page[id].tsx' 'a b' '!c'
printf 'minibuild: 1\nimage: r.example.com/x:1\nuser: 1000\ncopy: [{from: ., to: /c}]\n' > s.yaml
find . -type f ! -name s.yaml -printf '%P\n' | LC_ALL=C sort > ../files
number=0
while IFS= read -r lines; do
  number=$((number + 1))
  printf '%b' "$lines" > .dockerignore
  { tr '\n' '\0' < ../files | xargs -0 -I{} sh -c 'printf %s "$1" | od -An -tx1 -v | tr -d " \n"; echo' _ {} | paste -sd' '; od -An -tx1 -v .dockerignore | tr -d ' \n'; echo; } > ../asked
  bits=$(../judge < ../asked)
  want=$(paste -d' ' <(sed 's/./&\n/g' <<< "$bits" | grep .) ../files | sed -n 's/^0 //p')
  got=$(build s.yaml -o tar:../o.tar > ../build.log 2>&1 && tar tf ../o.tar | sed -n 's,^c/,,p' | grep -v '/$\|^$' | grep -vx 's.yaml\|.dockerignore' | LC_ALL=C sort)
  same "a build with the ignore file $lines" "$got" "$want"
done << 'END'
**.md
*\n!d/e
*\n!d/e/f/*.txt\n!**/b
d\n!d/e/a\nd/e/f
**\n!**/c*
\xef\xbb\xbfa\r\nd/../README.md\r\n
node_modules/\n/d/e/\n# a\n  b.md
[a]\n\\[a\\]\n[^d]*.md
*\n!.\n!\\!c
.\n/\n./\n..\n../a
END
cd ..
finish
