#!/usr/bin/env python3
"""base_tree.py IMAGE.tar LOCK.json MIRROR PLATFORM: compares the merged tree of a shipped base with what `dpkg-deb`
unpacks from exactly the packages that its lock file names, and what is documented to be made besides. Path by path: type,
mode, owner, target of a link, content; times are not compared.

  base_tree.py IMAGE.tar ...   exit status 1 and a line for each difference
  base_tree.py --missing LOCK.json MIRROR PLATFORM   the packages of the lock file that the mirror does not have
"""
import hashlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tarfile

# Packages of which only some files are taken: said in the specs, and once more here.
ONLY = {
    "ca-certificates": ["usr/share/doc/ca-certificates/copyright"],
    "busybox-static": ["bin/busybox", "usr/bin/busybox", "usr/share/doc/busybox-static/copyright"],
}
PASSWD = """root:x:0:0:root:/root:/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin
nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin
"""
GROUP = """root:x:0:
nobody:x:65534:
tty:x:5:
staff:x:50:
nonroot:x:65532:
"""
NSSWITCH = """passwd: compat
group: compat
shadow: compat
gshadow: files

hosts: files dns
networks: files

protocols: db files
services: db files
ethers: db files
rpc: db files

netgroup: nis
"""


def directory(mode=0o755, uid=0, gid=0):
    return ("directory", mode, uid, gid, "")


def link(target):
    return ("link", 0o777, 0, 0, target)


def file(data, mode=0o644, uid=0, gid=0):
    data = data.encode() if isinstance(data, str) else data
    return ("file", mode, uid, gid, hashlib.sha256(data).hexdigest())


def read_tar(stream):
    """The entries of a tar: path to (type, mode, uid, gid, target or hash)."""
    tree = {}
    for member in stream:
        path = os.path.normpath(member.name).lstrip("/")
        if path in ("", "."):
            continue
        assert path not in tree, f"{path} is there twice"
        if member.isdir():
            tree[path] = directory(member.mode, member.uid, member.gid)
        elif member.issym():
            tree[path] = ("link", 0o777, member.uid, member.gid, member.linkname)
        elif member.islnk():
            tree[path] = tree[os.path.normpath(member.linkname)]
        elif member.isreg():
            tree[path] = file(stream.extractfile(member).read(), member.mode, member.uid, member.gid)
        else:
            raise AssertionError(f"{path} is of a strange type")
    return tree


class Deb:
    def __init__(self, path):
        # What `dpkg-deb -x` writes, with owners and modes also where nobody is root.
        data = subprocess.run(["dpkg-deb", "--fsys-tarfile", path], stdout=subprocess.PIPE, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(data)) as stream:
            self.tree = read_tar(stream)
            contents = {os.path.normpath(member.name): member for member in stream if member.isreg()}
            self.certificates = [stream.extractfile(contents[name]).read() for name in sorted(contents)
                                 if name.startswith("usr/share/ca-certificates/") and name.endswith(".crt")]
            self.busybox = [stream.extractfile(member).read() for name, member in contents.items()
                            if name in ("bin/busybox", "usr/bin/busybox")]
        control = subprocess.run(["dpkg-deb", "--ctrl-tarfile", path], stdout=subprocess.PIPE, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(control)) as stream:
            self.control = {os.path.normpath(m.name): stream.extractfile(m).read() for m in stream if m.isreg()}


class Expected:
    """The tree that the debs make, each over the ones before; a path below a link lands where the link leads."""

    def __init__(self):
        self.tree = {}

    def place(self, path):
        done = ""
        for part in os.path.dirname(path).split("/"):
            if not part:
                continue
            done = f"{done}/{part}".lstrip("/")
            node = self.tree.get(done)
            if node and node[0] == "link":
                target = node[4]
                done = self.place(os.path.normpath(target.lstrip("/") if target.startswith("/") else
                                                   os.path.join(os.path.dirname(done), target)) + "/.")[:-2]
        return f"{done}/{os.path.basename(path)}".lstrip("/")

    def put(self, path, node):
        path = self.place(path)
        there = self.tree.get(path)
        if there and there[0] == "link" and node[0] == "directory":
            # Behind the link of the merged /usr the directory itself.
            self.tree.setdefault(os.path.normpath(os.path.join(os.path.dirname(path), there[4])), node)
            return
        self.tree[path] = node

    def parents(self, path):
        for parent in list(pathlib.PurePath(path).parents)[-2::-1]:
            if self.place(str(parent)) not in self.tree:
                self.put(str(parent), directory())


def locked(lock_path, mirror, platform):
    """(package, its file in the mirror), from the roots of the chain of specs to its top."""
    lock = json.loads(pathlib.Path(lock_path).read_text())
    found = []
    for part in lock["packages"]:
        if part["platform"] != platform:
            continue
        for package in part["packages"]:
            path = pathlib.Path(mirror, "debian", package["url"][package["url"].index("pool/"):].replace("%2b", "+"))
            found.append((package, path))
    assert found, f"{lock_path} has no packages for {platform}"
    return found


def certificates_of(deb):
    out = b""
    for text in deb.certificates:  # update-ca-certificates: sed -e '$a\' of each, in the order of sort
        out += text if text.endswith(b"\n") else text + b"\n"
    return out


def main(image, lock_path, mirror, platform):
    expected = Expected()
    debs = {}
    for package, path in locked(lock_path, mirror, platform):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == package["digest"].split(":")[1], f"{path}: wrong hash"
        assert path.stat().st_size == package["size"], f"{path}: wrong size"
        debs[package["name"]] = Deb(path)
    # Links at the top first: the merged /usr, which base-files has since Debian 13.
    for name in ("bin", "lib", "sbin") + (("lib64",) if platform == "linux/amd64" else ()):
        expected.put(name, link("usr/" + name))
    for deb in debs.values():
        for path, node in deb.tree.items():
            if node[0] == "link" and "/" not in path:
                expected.put(path, node)
    for name, deb in debs.items():
        only = ONLY.get(name)
        for path, node in deb.tree.items():
            if only is None or path in only:
                if only is not None:
                    for parent in list(pathlib.PurePath(path).parents)[-2::-1]:
                        if expected.place(str(parent)) not in expected.tree:
                            expected.put(str(parent), deb.tree[str(parent)])
                expected.put(path, node)
        md5sums = deb.control.get("md5sums", b"")
        if only is not None:
            md5sums = b"".join(line for line in md5sums.splitlines(True) if line[34:].decode().strip() in only)
        expected.parents("var/lib/dpkg/status.d/x")
        expected.put(f"var/lib/dpkg/status.d/{name}", file(deb.control["control"]))
        expected.put(f"var/lib/dpkg/status.d/{name}.md5sums", file(md5sums))
    # Written by static.yaml.
    expected.put("etc/passwd", file(PASSWD))
    expected.put("etc/group", file(GROUP))
    expected.put("etc/nsswitch.conf", file(NSSWITCH))
    expected.put("home", directory())
    expected.put("home/nonroot", directory(0o775, 65532, 0))
    # What scripts would have made.
    expected.parents("etc/ssl/certs/x")
    expected.put("etc/ssl/certs/ca-certificates.crt", file(certificates_of(debs["ca-certificates"])))
    expected.put("etc/localtime", link("/usr/share/zoneinfo/Etc/UTC"))
    expected.put("etc/timezone", file("Etc/UTC\n"))
    expected.put("etc/dpkg/origins/default", link("debian"))
    # Written by python3.yaml and the debug forms.
    for name in debs:
        if name.startswith("python3.") and name.endswith("-minimal"):
            for path in ("usr/bin/python3", "usr/bin/python"):
                expected.put(path, link(name.removesuffix("-minimal")))
    if "busybox-static" in debs:
        program = pathlib.Path("busybox.program")
        program.write_bytes(debs["busybox-static"].busybox[0])
        program.chmod(0o755)
        names = subprocess.run([program.resolve(), "--list"], stdout=subprocess.PIPE, check=True, text=True).stdout.split()
        assert len(names) > 200, names
        where = next(path for path in ("usr/bin/busybox", "bin/busybox") if path in debs["busybox-static"].tree)
        expected.put("busybox", directory())
        for name in names:
            expected.put(f"busybox/{name}", link("/" + where))
    with tarfile.open(image) as stream:
        got = read_tar(stream)
    assert len(got) > 1000, f"only {len(got)} paths"
    different = 0
    for path in sorted(got.keys() | expected.tree.keys()):
        have, want = got.get(path), expected.tree.get(path)
        if have != want:
            different += 1
            print(f"/{path}: got {have}, want {want}")
    return 1 if different else 0


if __name__ == "__main__":
    if sys.argv[1] == "--missing":
        print("\n".join(path.name for _, path in locked(*sys.argv[2:]) if not path.exists()))
        sys.exit(0)
    sys.exit(main(*sys.argv[1:]))
