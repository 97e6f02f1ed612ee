#!/usr/bin/env bash
# Names of what `copy` takes: those that look like patterns, links that lead to nothing, names in URLs, files that an ignore file
# hides; and every message about them tells what is there.
. "$(dirname "$0")/lib.sh"
# of COPY…: an image's files below /d with these entries of `copy`, in $got, or the message.
of() {
  printf 'minibuild: 1\nimage: r.example.com/x:1\nuser: 1000\nplatforms: [linux/amd64]\ncopy:\n' > s.yaml
  printf '  - %s\n' "$@" >> s.yaml
  if build s.yaml -o tar:o.tar > out 2>&1; then
    got=$(tar --quoting-style=literal -tf o.tar | sed -n 's,^d/,,p' | grep -v '/$\|^$' | LC_ALL=C sort | paste -sd' ')
  else
    got=$(sed -n 's/^s.yaml:[0-9:]* error: //p' out | paste -sd'|')
    got=${got:-$(cat out)}
  fi
}
mkdir -p app/'[id]' app/x plain && cd app
touch '[id]/page.tsx' 'page[id].txt' pagei.txt '[...rest].tsx' '[[...slug]].tsx' 'a[b' 'a]b' 'a\b' 'a*b' axb x/'[id].tsx' x/d.tsx '(group)'
cd ..
of '{from: "app/page[id].txt", to: /d/}'; same "the file of just that name" "$got" 'page[id].txt'
of '{from: "app/page[i]?txt", to: /d/}'; same "a pattern is one where no file has its name" "$got" 'pagei.txt'
of '{from: "app/[id]/*.tsx", to: /d/}'; same "a directory of just that name" "$got" 'page.tsx'
of '{from: "app/[id]", to: /d}'; same "a directory of just that name, whole" "$got" 'page.tsx'
of '{from: "app/[...rest].tsx", to: /d/}' '{from: "app/[[...slug]].tsx", to: /d/}' '{from: "app/a]b", to: /d/}' '{from: "app/(group)", to: /d/}'
same "names of routes" "$got" '(group) [...rest].tsx [[...slug]].tsx a]b'
of '{from: "app/*/[id].tsx", to: /d/}'; same "a pattern and the name written just so" "$got" '[id].tsx d.tsx'
of "{from: 'app/a\\[b', to: /d/}" "{from: 'app/a\\b', to: /d/}" "{from: 'app/a\\*b', to: /d/}"; same "escaped" "$got" 'a*b a[b a\b'
of "{from: 'app/a*b', to: /d/}"; same "a wildcard stays one" "$got" 'a*b a[b a\b a]b axb'
of '{from: "app/a[b", to: /d/}'
same "an unclosed set" "$got" "'from' is the malformed pattern 'app/a[b': a '[' has no ']'; a '\\' before it makes a character mean itself"
of '{from: "app/page[xy].txt", to: /d/}'
same "a set that matches nothing" "$got" "cannot copy 'app/page[xy].txt': nothing matches the pattern 'page[xy].txt'; '[' begins a set of characters, '\\[' is the character itself"
of '{from: "app/*.none", to: /d/}'; same "a pattern that matches nothing" "$got" "cannot copy 'app/*.none': nothing matches the pattern '*.none'"
of '{from: "gone/*.txt", to: /d/}'; same "a directory that is not there" "$got" "cannot copy 'gone/*.txt': 'gone' is not there"
printf 'minibuild: 1\nimage: r.example.com/x:1\nuser: 1000\nplatforms: [linux/amd64]\ncopy: [{from: app, to: /d}]\nremove: ["/d/page[id].txt", "/d/x"]\n' > s.yaml
check "remove takes the name written just so" build s.yaml -o tar:o.tar
same "removed" "$(tar tf o.tar | grep -c 'page.id\|pagei')" 0

# Links.
mkdir links && ln -s ./gone links/dead && ln -s dead links/deader && ln -s /nowhere/x links/absolute && touch links/file && ln -s file links/live
of '{from: links, to: /d}'; same "dead links within a directory" "$got" 'absolute dead deader file live'
of '{from: "links/de*", to: /d/}'; same "dead links that a pattern matches" "$got" 'dead deader'
of '{from: links/dead, to: /d}'; same "a dead link by name" "$got" "cannot copy 'links/dead': it is a link to './gone', which is not there"
of '{from: links/dead/x, to: /d}'; same "below a dead link" "$got" "cannot copy 'links/dead/x': it is not there"
of '{from: links/live, to: /d/}'; same "a live link by name" "$got" 'live'
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("links/socket")'
of '{from: links/socket, to: /d}'; same "a socket" "$got" "cannot copy 'links/socket': it is a socket"

# What an ignore file hides is there.
printf '*.log\nhidden\n' > .dockerignore && touch a.log && mkdir hidden && touch hidden/a
of '{from: a.log, to: /d/}'; same "an ignored file" "$got" "cannot copy 'a.log': .dockerignore leaves it out"
of '{from: "*.log", to: /d/}'; same "an ignored pattern" "$got" "cannot copy '*.log': .dockerignore leaves out all that it matches, such as 'a.log'"
of '{from: "hidden/*", to: /d/}'; same "an ignored directory" "$got" "cannot copy 'hidden/*': .dockerignore leaves it out"
printf 'a\n  [z-a]*.md\n!\n' > .dockerignore
of '{from: plain, to: /d/}'
same "a malformed ignore file" "$(sed 's/^.*dockerignore/.dockerignore/' out)" ".dockerignore:2:4: error: malformed pattern: the range 'z-a' ends before it begins
    [z-a]*.md
     ^
.dockerignore:3:1: error: malformed pattern: '!' has no pattern behind it
  !
  ^"
printf 'minibuild: 1\nimage: r.example.com/x:1\nuser: 1000\nfiles: [{file: /a, content: a}]\n' > s.yaml
check "an ignore file that is not asked" build s.yaml -o tar:o.tar
rm .dockerignore

# Names in URLs are decoded. A directory stands for the host, in which files have the names of the URL.
mkdir mirror && for name in a%20b.tar %5Bx%5D.txt 100% 'a*b' axb %c3%bc a%5Cb a%2Fb %2e%2e %00 %0a a%zz; do echo "$name" > "mirror/$name"; done
export MINIBUILD_MIRRORS="h.example.com=file://$SCRATCH/mirror"
u='url: "https://h.example.com'
for case in '/a%20b.tar|a b.tar' '/%5Bx%5D.txt|[x].txt' '/100%|100%' '/a*b|a*b' '/%c3%bc|ü' '/a%5Cb|a\b' '/a%zz|a%zz'; do
  of "{$u${case%|*}\", to: /d/}"; same "the name in ${case%|*}" "$got" "${case#*|}"
done
for name in a%2Fb %2e%2e %00 %0a; do
  of "{$u/$name\", to: /d/}"
  same "no name: $name" "$got" "'url' ends with '$name', which stands for a name that no file can have; write the file's name at the end of 'to'"
  of "{$u/$name\", to: /d/own}"; same "$name under its own name" "$got" own
done
finish
