#!/usr/bin/env python3
"""Random tar archives with all that tools write, byte by byte, and what Python's tarfile and GNU tar read in them.

    tar_cases.py make COUNT SEED DIRECTORY      archives N.tar, and N.not: the judges that read this one otherwise, with reason
    tar_cases.py compare DIRECTORY OURS         the answers of tests/archive/tar_answers, against both; exit 1 if anything differs
"""
import hashlib
import os
import pathlib
import random
import shutil
import stat
import subprocess
import sys
import tarfile


def octal(chance, value, size):
    text = b"%0*o" % (size - 1, value)
    if len(text) > size - 1:
        return text[:size]
    short = b"%o" % value
    return chance.choice([text + b"\0", text + b" ", short.rjust(size - 1) + b"\0", short.rjust(size - 2) + b" \0", text + b"\0"])


def pax(records):
    body = b""
    for key, value in records:
        rest = b" " + key + b"=" + value + b"\n"
        n = len(rest)
        while len(str(n)) + len(rest) != n:
            n = len(str(n)) + len(rest)
        body += str(n).encode() + rest
    return body


class Archive:
    """One random archive. `unfit` are judges that would not read it as it is meant, with the reason."""

    def __init__(self, chance):
        self.chance = chance
        self.out = b""
        self.unfit = {}
        self.files = []
        self.number = 0
        self.has_global = False

    def header(self, name, kind, size, form, mode=0o644, uid=0, gid=0, mtime=0, link=b"", extra=()):
        block = bytearray(512)

        def put(at, data):
            block[at:at + len(data)] = data
        put(0, name[:100])
        put(100, octal(self.chance, mode, 8))
        put(108, uid if isinstance(uid, bytes) else octal(self.chance, uid, 8))
        put(116, octal(self.chance, gid, 8))
        put(124, octal(self.chance, size, 12))
        put(136, mtime if isinstance(mtime, bytes) else octal(self.chance, mtime, 12))
        put(148, b" " * 8)
        put(156, kind)
        put(157, link[:100])
        if form == "gnu":
            put(257, b"ustar  \0")
        elif form != "v7":
            put(257, b"ustar\00000")
        if form == "star":
            put(476, b"%011o " % 1500000000 + b"%011o " % 1500000001)
            put(508, b"tar\0")
        for at, data in extra:
            put(at, data)
        total = sum(block) if self.chance.random() < 0.9 else sum(b - 256 if b > 127 else b for b in block)
        put(148, b"%06o\0 " % (total & 0o777777) if total >= 0 else b"%06o\0 " % sum(block))
        self.out += bytes(block)

    def data(self, content):
        self.out += content + b"\0" * (-len(content) % 512)

    def extended(self, records, kind=b"x"):
        body = pax(records)
        self.header(b"PaxHeaders/x", kind, len(body), "pax")
        self.data(body)

    def name(self):
        chance = self.chance
        self.number += 1
        part = chance.choice([b"f", b"some name", b"Icon\r", b"a\nb", b"tab\there", b"\x01\x7f", b"\xff\xe4", "gr\u00fc\u00df".encode(), b"[id]", b"-", b"n" * 60,
                              b"..x", b".wh.x", b"quote\"'\\"])
        name = part + b"%d" % self.number
        for _ in range(chance.choice([0, 0, 1, 1, 2, 4])):
            name = chance.choice([b"d", b"e", b"long" * 20, b"dir with space"]) + b"/" + name
        return name

    def numbers(self, form):
        """Fields of the header, and records of an extended one that override them."""
        chance = self.chance
        fields = {"mode": chance.choice([0o644, 0o755, 0o600, 0o4755, 0o1777, 0]), "uid": chance.choice([0, 1000, 65534, 0o7777777 if form != "v7" else 7]),
                  "gid": chance.choice([0, 5, 100]), "mtime": chance.choice([0, 1, 1700000000, 0o77777777777])}
        records = []
        kind = chance.randrange(14)
        if kind == 0:
            fields["mtime"] = chance.choice([-1, -86400, -2**31, 2**33 + 7, 2**33 + 2**32]).to_bytes(12, "big", signed=True)
            if fields["mtime"][0] == 0:
                fields["mtime"] = b"\x80" + fields["mtime"][1:]
        elif kind == 1:
            fields["mtime"] = chance.choice([b"-0000000001\0", b"-77777 ", b"-00000250600"])
            self.unfit["tar"] = "a sign before octal digits is base 64 to it"
        elif kind == 2:
            fields["uid"] = b"\x80" + (3000000000).to_bytes(7, "big")
        elif kind == 3:
            fields["uid"] = (-2).to_bytes(8, "big", signed=True)
            self.unfit["tar"] = "it has no negative ids"
        elif form == "pax" and kind < 9:
            records.append((b"mtime", chance.choice([b"-86400.5", b"1700000000.25", b"-0.5", b"0.999999999", b"-1", b"12345678901", b"3.000", b"-7.0", b"1700000000.123456789"])))
            if chance.random() < 0.3:
                records += [(b"uid", b"4294967294"), (b"gid", b"3000000"), (b"uname", b"somebody"), (b"atime", b"1.5"), (b"ctime", b"-3.5")]
        elif form == "pax" and kind == 9:
            records += [(b"mtime", b"5"), (b"mtime", b"6"), (b"comment", b"x=y=z\n"), (b"LIBARCHIVE.creationtime", b"1"), (b"uname", b"")]
        return fields, records

    def place(self, name, form, records):
        """The name as the header's field has it; what goes before, and where else it stands."""
        chance = self.chance
        extra = []
        if form == "pax" and (len(name) > 100 or chance.random() < 0.3):
            records.append((b"path", name))
            return chance.choice([b"short", name[:100].rstrip(b"/"), b"x"]), extra
        if len(name) <= 100:
            return name, extra
        slash = name.rfind(b"/")
        if form in ("ustar", "star") and 0 < slash <= 130 and len(name) - slash - 1 <= 100:
            return name[slash + 1:], [(345, name[:slash])]
        if form in ("ustar", "star", "v7"):
            return name[-90:].lstrip(b"/"), extra
        for_long = name + chance.choice([b"\0", b""])
        self.header(b"././@LongLink", b"L", len(for_long), "gnu")
        self.data(for_long)
        return name[:100].rstrip(b"/"), extra

    def file(self):
        chance = self.chance
        form = chance.choice(["v7", "ustar", "gnu", "gnu", "pax", "pax", "pax", "star"])
        content = chance.randbytes(chance.choice([0, 1, 5, 511, 512, 513, 3000]))
        name = self.name()
        fields, records = self.numbers(form)
        shown = chance.choice([b"", b"", b"", b"./", b"/", b".//", b"d/../"]) + name
        if shown.startswith(b"d/../") and name.count(b"/") > 0:
            shown = name
        if shown.startswith(b"d/../"):
            self.unfit["tar"] = "it takes no name with .."
        header_name, extra = self.place(shown, form, records)
        if form in ("ustar", "star", "v7") and not extra and len(shown) > 100:
            name = header_name
        size = len(content)
        if form == "pax" and chance.random() < 0.1:
            records.append((b"size", b"%d" % size))
            size = chance.choice([0, size])
        if records:
            self.extended(records, chance.choice([b"x", b"x", b"x", b"X"]))
        self.header(header_name, chance.choice([b"0", b"0", b"\0", b"7"]) if form != "v7" else b"\0", size, form, extra=extra, **fields)
        self.data(content)
        self.files.append(name)

    def sparse(self):
        """A file with holes, in one of GNU tar's four forms."""
        chance = self.chance
        form = chance.choice(["old", "old", "0.0", "0.1", "1.0", "1.0"])
        name = self.name()[-90:].lstrip(b"/")
        parts, at, stored = [], 0, b""
        count = chance.choice([0, 1, 2, 3, 4, 5, 25, 26, 47, 60])
        for i in range(count):
            at += chance.choice([0, 1, 512, 1000, 4096, 70000])
            # Of all parts but the last GNU tar passes over whole blocks, others over the bytes: it never writes such.
            size = chance.choice([512, 512, 1024, 4096] if i + 1 < count else [1, 10, 512, 513])
            parts.append((at, size))
            stored += chance.randbytes(size)
            at += size
        real = at + chance.choice([0, 0, 1, 5000])
        if not parts or parts[-1][0] + parts[-1][1] < real or chance.random() < 0.3:
            parts.append((real, 0))
        fields, records = self.numbers("pax" if form != "old" else "gnu")
        if form == "old":
            numbers = [octal(random.Random(1), a, 12) + octal(random.Random(1), b, 12) for a, b in parts]
            extra = [(386, b"".join(numbers[:4])), (482, b"\1" if len(numbers) > 4 else b"\0"), (483, b"%011o\0" % real)]
            if self.has_global:
                self.unfit["python"] = "it does not heed a global header here"
            self.header(name, b"S", len(stored), "gnu", extra=extra, **fields)
            for i in range(4, len(numbers), 21):
                block = b"".join(numbers[i:i + 21]).ljust(504, b"\0")
                self.out += block + (b"\1" if i + 21 < len(numbers) else b"\0") + b"\0" * 7
            self.data(stored)
        else:
            shown = b"GNUSparseFile.0/" + name[-40:].lstrip(b"/")
            if form == "0.0":
                records += [(b"GNU.sparse.size", b"%d" % real), (b"GNU.sparse.numblocks", b"%d" % len(parts))]
                for a, b in parts:
                    records += [(b"GNU.sparse.offset", b"%d" % a), (b"GNU.sparse.numbytes", b"%d" % b)]
                shown = name
            elif form == "0.1":
                records += [(b"GNU.sparse.size", b"%d" % real), (b"GNU.sparse.numblocks", b"%d" % len(parts)), (b"GNU.sparse.name", name),
                            (b"GNU.sparse.map", b",".join(b"%d,%d" % part for part in parts))]
            else:
                records += [(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.name", name), (b"GNU.sparse.realsize", b"%d" % real)]
                table = b"%d\n" % len(parts) + b"".join(b"%d\n%d\n" % part for part in parts)
                stored = table + b"\0" * (-len(table) % 512) + stored
            self.extended(records)
            self.header(shown, b"0", len(stored), "pax", **fields)
            self.data(stored)
        self.files.append(name)

    def other(self):
        chance = self.chance
        form = chance.choice(["v7", "ustar", "gnu", "pax", "star"])
        name = self.name()[-90:].lstrip(b"/")
        fields, records = self.numbers(form)
        kind = chance.choice([b"5", b"5", b"1", b"2", b"2", b"3", b"4", b"6", b"D"])
        link, size, extra = b"", 0, []
        if kind == b"1":
            if not self.files:
                return
            link = chance.choice(self.files)
            if len(link) > 100:
                if form == "pax":
                    records.append((b"linkpath", link))
                else:
                    self.header(b"././@LongLink", b"K", len(link) + 1, "gnu")
                    self.data(link + b"\0")
            fields = {"mode": 0o644}
            records = [r for r in records if r[0] == b"linkpath"]
        elif kind == b"2":
            link = chance.choice([b"target", b"../x", b"/abs/olute", b"gr\xc3\xbc", b"new\nline", b"l" * 100])
            fields["mode"] = 0o777
        elif kind in b"34":
            extra = [(329, b"%07o\0" % 8), (337, b"%07o\0" % chance.choice([0, 1, 300]))]
        if form == "v7" and kind in b"5346D":
            form = "ustar"
        if kind == b"5" and chance.random() < 0.2:
            form, kind, name = "v7", b"\0", name + b"/"
        if kind in b"5123460" and kind != b"\0" and chance.random() < 0.25:
            size = chance.choice([1, 512, 4096, 100000])
            if kind != b"1":
                self.unfit["tar"] = "it passes over as much as a directory or link says to have"
        if records:
            self.extended(records)
        self.header(name + (b"/" if kind in b"5D" and chance.random() < 0.7 else b""), kind, 20 if kind == b"D" else size, form, link=link, extra=extra, **fields)
        if kind == b"D":
            self.data(b"Yone\0Nof\0\0".ljust(20, b"\0"))

    def build(self):
        chance = self.chance
        if chance.random() < 0.1:
            records = chance.choice([[(b"comment", b"c" * 40)], [(b"mtime", b"1234567.5")], [(b"SCHILY.archtype", b"exustar"), (b"hdrcharset", b"BINARY")]])
            self.extended(records, b"g")
            self.has_global = True
        if chance.random() < 0.05:
            self.header(b"A label", b"V", 0, "gnu")
        self.file()
        for _ in range(chance.choice([0, 1, 2, 5, 9])):
            chance.choice([self.file, self.file, self.sparse, self.other, self.other])()
        end = chance.randrange(10)
        if end == 0:
            self.out += b"\0" * 512
        elif end == 1:
            pass
        elif end == 2:
            self.out += b"\0" * 1024 + chance.randbytes(1024)
        else:
            self.out += b"\0" * (1024 + -len(self.out) % 10240)
        return self.out


def seen_by_python(path):
    nodes, firsts = {}, {}
    with tarfile.open(path, encoding="utf-8", errors="surrogateescape") as archive:
        for member in archive:
            if member.type == b"V":
                continue

            def raw(text):
                return b"/".join(p for p in clean(text.encode("utf-8", "surrogateescape")))
            name = raw(member.name)
            if not name:
                continue
            kind = "d" if member.isdir() or member.type == b"D" else "l" if member.issym() else "c" if member.ischr() else "b" if member.isblk() else "p" if member.isfifo() else "-"
            owner = (member.uid & 0xFFFFFFFF, member.gid & 0xFFFFFFFF)
            if member.islnk():
                target = raw(member.linkname)
                first = firsts.get(target, target)
                firsts[name] = first
                nodes[name] = nodes[first][:-1] + (nodes[first][-1],)
                continue
            last = ""
            if kind == "-":
                last = hashlib.sha256(archive.extractfile(member).read()).hexdigest() if member.isfile() or member.issparse() else "?"
            elif kind == "l":
                last = member.linkname.encode("utf-8", "surrogateescape").hex()
            elif kind in "cb":
                last = f"{member.devmajor},{member.devminor}"
            nodes[name] = (kind, member.mode & 0o7777, *owner, int(member.mtime // 1), last)
    return nodes, {name: firsts.get(name) for name in nodes}


def clean(name):
    parts = []
    for part in name.split(b"/"):
        if part == b"..":
            parts.pop()
        elif part not in (b"", b"."):
            parts.append(part)
    return parts


def seen_by_tar(path):
    """What GNU tar extracts; without owners and devices unless this is root."""
    place = path + ".d"
    os.mkdir(place)
    done = subprocess.run(["tar", "--numeric-owner", "-xpf", path, "-C", place, "--warning=none", "--delay-directory-restore"], stderr=subprocess.PIPE)
    if done.returncode != 0:
        raise ValueError(done.stderr.decode("latin1"))
    nodes = {}
    top = os.fsencode(place)
    for directory, names, files in os.walk(top):
        for one in names + files:
            full = directory + b"/" + one if directory.endswith(b"/") is False else directory + one
            st = os.lstat(full)
            kind = {stat.S_IFDIR: "d", stat.S_IFREG: "-", stat.S_IFLNK: "l", stat.S_IFCHR: "c", stat.S_IFBLK: "b", stat.S_IFIFO: "p"}[stat.S_IFMT(st.st_mode)]
            last = ""
            if kind == "-":
                last = hashlib.sha256(open(full, "rb").read()).hexdigest()
            elif kind == "l":
                last = os.readlink(full).hex()
            elif kind in "cb":
                last = f"{os.major(st.st_rdev)},{os.minor(st.st_rdev)}"
            nodes[full[len(top) + 1:]] = (kind, stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid, int(st.st_mtime_ns // 10**9), last)
    shutil.rmtree(place)
    return nodes


def answers(path):
    one, out = [], []
    for line in open(path):
        if line == ".\n":
            out.append(one)
            one = []
        else:
            one.append(line.rstrip("\n"))
    return out


def parse(lines):
    nodes, firsts = {}, {}
    for line in lines:
        kind, mode, uid, gid, mtime, name, *rest = line.split(" ")
        nodes[bytes.fromhex(name)] = (kind, int(mode, 8), int(uid), int(gid), int(mtime), rest[0] if rest else "")
        firsts[bytes.fromhex(name)] = rest[1] if len(rest) > 1 else None
    return nodes, firsts


def differences(ours, theirs, implied):
    """Directories that are only implied have other attributes elsewhere."""
    for name in sorted(set(ours) | set(theirs)):
        a, b = ours.get(name), theirs.get(name)
        if name in implied and (a is None or a[0] == "d"):
            continue
        if a != b:
            yield f"{name!r}: got {a}, want {b}"


def compare(directory, ours):
    paths = sorted((str(p) for p in pathlib.Path(directory).glob("*.tar")), key=lambda p: int(pathlib.Path(p).stem))
    got = answers(ours)
    wrong, judged = len(got) != len(paths), {"python": 0, "tar": 0}
    root = os.geteuid() == 0
    for path, lines in zip(paths, got):
        unfit = dict(line.split(": ", 1) for line in open(path[:-4] + ".not").read().splitlines())
        told = []
        if lines and lines[0].startswith("error"):
            told.append(lines[0])
        else:
            nodes, _ = parse(lines)
            named = set()
            with tarfile.open(path, encoding="utf-8", errors="surrogateescape") as archive:
                named = {b"/".join(clean(m.name.encode("utf-8", "surrogateescape"))) for m in archive}
            implied = set(nodes) - named
            if "python" not in unfit:
                judged["python"] += 1
                told += [f"python: {one}" for one in differences(nodes, seen_by_python(path)[0], implied)]
            if "tar" not in unfit and root:
                judged["tar"] += 1
                try:
                    told += [f"tar: {one}" for one in differences(nodes, seen_by_tar(path), implied)]
                except ValueError as error:
                    told.append(f"tar: {error}")
        for one in told[:5]:
            print(f"{path}: {one}")
        wrong += bool(told)
        if wrong > 10:
            break
    if wrong:
        sys.exit(f"{wrong} of {len(paths)} archives are read in another way")
    print(f"{len(paths)} archives; Python judged {judged['python']}, GNU tar {judged['tar']}")
    if judged["python"] < len(paths) // 2 or (root and judged["tar"] < len(paths) // 4):
        sys.exit("few were judged: the generator is of no use")
    if not root:
        print("not run: GNU tar as judge needs root, to make owners and devices")


def make(count, seed, directory):
    chance = random.Random(int(seed))
    for i in range(int(count)):
        archive = Archive(random.Random(chance.random()))
        pathlib.Path(f"{directory}/{i}.tar").write_bytes(archive.build())
        pathlib.Path(f"{directory}/{i}.not").write_text("".join(f"{k}: {v}\n" for k, v in archive.unfit.items()))


if __name__ == "__main__":
    {"make": make, "compare": compare}[sys.argv[1]](*sys.argv[2:])
