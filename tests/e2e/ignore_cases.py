#!/usr/bin/env python3
"""Random ignore files, for IgnoreList and for Docker's own reader: a line of paths, then a line for each file, in hexadecimal.

    ignore_cases.py COUNT SEED > cases         the questions
    ignore_cases.py compare cases ours judge   what differs, with the files; exit 1 if anything does
"""
import random
import sys

PATHS = [p if isinstance(p, bytes) else p.encode() for p in [
    "a", "b", "ab", "a.md", "b.txt", "README.md", ".git", "d", "d/a", "d/b", "d/a.md", "d/e", "d/e/a", "d/e/a.md", "d/e/f/b", "d/e/f/a.txt",
    "node_modules", "node_modules/x/a", "x/node_modules/y", "x/a/b/a", "[a]", "[a].md", "page[id].tsx", "d/[a]", "a*b", "a?b", "a b", " a", "!a", "!",
    "#a", "a\\b", "\\a", "a-b", "-", "]", "^", "^a", "ü", "üa", "d/ü.md", "a.b", "axb", "a+b", "(a)", "a|b", "a$", "{a}", "1", "a1", "d/1", "..a", "...",
    "a\nb", "Icon\r", b"\xff", b"a\xffb", b"d/\xe4", "\ufeffa", "a\u00a0", "dd", "dd/a", "da/b", "a/b/c/d/e/f/g", "z/a.md/b", "z/.git/c"]]

NAMES = ["a", "b", "d", "e", "ab", "f", "a.md", "x", "node_modules", ".git", "README.md", "1", "z", "ü", "dd"]
PIECES = ["*", "**", "?", "a", "b", "d", ".", "..", "md", ".md", ".txt", "[a]", "[^a]", "[!a]", "[a-c]", "[^a-c]", "[b-a]", "[]a]", "[a-]", "[-a]", "[",
          "]", "[[a]", "[[:alpha:]]", "[a\\]]", "[\\a]", "[ü]", "[^ü]", "[a", "[*]", "[?]", "[a/b]", "\\*", "\\a", "\\d", "\\b", "\\.", "\\\\", "\\", "\\[", "\\]",
          "\\8", "\\z", "!", "#", " ", "-", "^", "+", "(", ")", "|", "$", "{", "}", "ü", "1", "***", "****", "\\ü", "\\_", "\\pL", "\\x41"]
LINES = ["", " ", "#", "# a", " # a", ".", "./", "/", "//", "!", "! ", "!.", "!/", "! a", " !a", "!!a", "/!a", "./!a", "..", "../a", "/../a", "!../a", "*", "!*", "**",
         "**/", "/**", "!**", "*/*", "**/*", "*.md", "!README*.md", "**.md", "**/*.md", "**/node_modules", "d/", "/d", "/d/", "d/.", "d/..", "d/../a", "d/../../a",
         "d//a", "d/./a", "d/**", "d/**/a", "d**", "**d", "d/*", "!d/a", "!d/e", "!d/e/a.md", "*/e", "\ta\t", "a\x0b", "\u00a0a", "/ a", "a /", "[a].md", "\\[a\\].md"]


def component(chance):
    if chance.random() < 0.4:
        return chance.choice(NAMES)
    return "".join(chance.choice(PIECES) for _ in range(chance.choice([1, 1, 2, 2, 3, 4])))


def line(chance):
    if chance.random() < 0.3:
        return chance.choice(LINES)
    text = "/".join(chance.choice(["**", ".", "..", ""]) if chance.random() < 0.15 else component(chance) for _ in range(chance.choice([1, 1, 1, 2, 2, 3])))
    text = chance.choice(["", "", "", "", "/", "./", "//"]) + text + chance.choice(["", "", "", "", "", "/", " ", "\t"])
    return chance.choice(["", "", "", "", "!", "! ", " "]) + text


def case(chance):
    # Mostly few lines: a malformed one hides all others.
    text = chance.choice(["\n", "\n", "\n", "\r\n"]).join(line(chance) for _ in range(chance.choice([1, 1, 1, 2, 2, 3, 4, 6])))
    data = text.encode()
    if chance.random() < 0.03:
        data = data.replace(b"a", b"\xff", 1)
    if chance.random() < 0.05:
        data = b"\xef\xbb\xbf" + data
    return data + chance.choice([b"", b"\n", b"\r\n", b"\n\n"])


def compare(cases, ours, judge):
    files = open(cases).read().splitlines()[1:]
    got, want = open(ours).read().splitlines(), open(judge).read().splitlines()
    wrong = 0
    if not len(files) == len(got) == len(want):
        print(f"{len(files)} files, {len(got)} and {len(want)} answers")
        wrong = 1
    for file, a, b in zip(files, got, want):
        if a == b:
            continue
        wrong += 1
        if wrong > 20:
            continue
        differ = [PATHS[i].decode("latin1") for i in range(len(PATHS)) if len(a) == len(b) == len(PATHS) and a[i] != b[i]]
        print(f"{bytes.fromhex(file)!r}: {differ or (a[:60], b[:60])}")
    if wrong:
        sys.exit(f"{wrong} of {len(files)} ignore files mean something else")
    valid = [answer for answer in want if answer != "error"]
    if len(valid) < len(want) // 3 or sum("1" in v for v in valid) < len(want) // 5:
        sys.exit("most files say nothing: the generator is of no use")


def main(count, seed):
    chance = random.Random(int(seed))
    print(" ".join(path.hex() for path in PATHS))
    for _ in range(int(count)):
        print(case(chance).hex())


if __name__ == "__main__":
    compare(*sys.argv[2:]) if sys.argv[1] == "compare" else main(*sys.argv[1:])
