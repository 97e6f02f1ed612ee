#!/usr/bin/env python3
"""index_cases.py MINIBUILD JUDGE COUNT SEED DIRECTORY [HOST]: random indexes, through minibuild and past judges.

Each case is an OCI layout with an index of images, attestations, artifacts, nested indexes and blobs, described as other
tools do it and more oddly. What is held against minibuild:
 - a copy of the whole has every blob that an independent reading reaches, byte for byte, and nothing else; now and then also
   through an archive and a registry, and what is not odd through the one at HOST and as skopeo copies it;
 - a copy for a platform is the image that containerd's order of platforms chooses (JUDGE, a program; empty: not asked), and
   all of that image and nothing else;
 - where something is damaged the copy ends with 1, names the digest, and leaves the destination as it was.
FIRST in the environment is the number of the first case, to run one again. What fails stays in DIRECTORY."""
import base64
import concurrent.futures
import hashlib
import http.server
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import urllib.parse

from make_graphs import CONFIG, INDEX, LAYER, MANIFEST, OCI, Layout, layer

DOCKER = "application/vnd.docker."
LIST, SCHEMA2 = DOCKER + "distribution.manifest.list.v2+json", DOCKER + "distribution.manifest.v2+json"
DOCUMENTS = (MANIFEST, INDEX, LIST, SCHEMA2, "")
ODD_TEXTS = ["", "a", "\u2028\u202e", "x" * 300, "\"\\/\n\t", "ä€😀", "null", "../..", "%00", "${HOME}"]
VARIANTS = {"amd64": ["", "", "v1", "v2", "v3", "v4", "V2", "2"], "arm": ["", "v5", "v6", "v7", "v8", "7", "6", "v9"],
            "arm64": ["", "", "v8", "8", "v8.0", "v8.2", "v8.5", "v8.6", "v9", "9", "9.0", "v9.1", "8.2"], "386": [""], "riscv64": [""], "s390x": [""]}
SPELT = {"amd64": ["amd64"] * 6 + ["x86_64", "x86-64", "AMD64"], "arm64": ["arm64"] * 5 + ["aarch64", "Arm64"], "386": ["386", "386", "i386"],
         "arm": ["arm"] * 6 + ["armhf", "armel"]}
WANTED = {"amd64": ["", "v1", "v2", "v3", "v4"], "arm": ["", "v5", "v6", "v7", "v8"], "arm64": ["", "v8", "v9"], "386": [""], "riscv64": [""], "s390x": [""]}
LAYERS = [layer(f=str(n)) for n in range(5)]


class Case(Layout):
    """A layout with one index; `kinds` says of each document's digest what it is, `platforms` of an image what its config says."""

    def __init__(self, rng, plain):
        super().__init__()
        self.rng = rng
        self.plain = plain  # as other tools take it as well
        self.kinds = {}
        self.platforms = {}
        self.absent = set()  # digests that are elsewhere, and not here
        self.elsewhere = set()  # digests that may be
        self.made = []  # descriptors of documents
        self.architectures = rng.sample(sorted(VARIANTS), rng.choice([1, 1, 2, 2, 3]))

    def often(self, percent):
        return self.rng.random() * 100 < percent

    def odd(self, percent):
        return not self.plain and self.often(percent)

    def algorithm(self):
        return "sha512" if self.odd(12) else "sha256"

    def machine(self):
        """A platform as a config has it."""
        arch = self.rng.choice(self.architectures)
        variant = self.rng.choice(VARIANTS[arch])
        return {"os": "linux", "architecture": arch, **({"variant": variant} if variant else {})}

    def said(self, machine):
        """The same, or another one, as a descriptor says it."""
        rng = self.rng
        said = dict(machine if self.often(80) else self.machine())
        said["architecture"] = rng.choice(SPELT.get(said["architecture"], [said["architecture"]]))
        if self.odd(8):
            said["os.features"] = rng.choice([["nydus.remoteimage.v1"], ["a", "b"], [], None])
        if self.odd(10):
            said = rng.choice([{"os": "windows", "architecture": "amd64", "os.version": "10.0.17763.1", "os.features": ["win32k"]},
                               {"os": "darwin", "architecture": "arm64"}, {"os": "unknown", "architecture": "unknown"}, {}, {"os": "linux"},
                               {"architecture": said["architecture"]}, {"os": "Linux", "architecture": said["architecture"]}, None,
                               {"os": "linux", "architecture": said["architecture"], "variant": None},
                               {**said, "os.version": "5.15", "features": ["sse4"], "x": 1}])
        return said

    def annotations(self):
        keys = ["a", "org.opencontainers.image.ref.name", "org.opencontainers.image.title", "io.containerd.image.name", "ä", ""]
        made = {self.rng.choice(keys): self.rng.choice(ODD_TEXTS) for _ in range(self.rng.randint(0, 3))}
        return made if self.plain or self.often(90) else self.rng.choice([None, {}, {"a": None}])

    def descriptor(self, made):
        """A descriptor with more in it that decides nothing."""
        made = dict(made)
        if self.odd(25):
            made["annotations"] = {**(made.get("annotations") or {}), **(self.annotations() or {})}
        if self.odd(8):
            made["annotations"] = made.get("annotations") or None
        if self.odd(6):
            made["org.example.unknown"] = self.rng.choice([None, 1, [1], {"a": {}}, "x"])
        if self.odd(6) and len(self.blobs[made["digest"]]) < 3000:
            made["data"] = base64.b64encode(self.blobs[made["digest"]]).decode()
        if self.odd(6):
            made.update(self.rng.choice([{"data": None}, {"urls": None}, {"urls": []}, {"artifactType": None}, {"urls": ["https://h.example/x"]}]))
            if made.get("urls"):
                self.elsewhere.add(made["digest"])
        return made

    def document(self, kind, content, media_type, platform=None):
        if self.odd(15):
            content.pop("mediaType", None)
        if self.odd(10):
            content["x"] = self.rng.choice([None, [], {"manifests": []}])
        if self.odd(25):
            content["annotations"] = self.annotations()
        made = self.blob(content, media_type, self.algorithm())
        self.kinds[made["digest"]] = kind
        self.platforms[made["digest"]] = platform
        self.made.append(made)
        return made

    def some_layer(self):
        rng = self.rng
        if self.odd(6):
            made = self.blob(rng.randbytes(40), rng.choice([OCI + "layer.nondistributable.v1.tar+gzip", DOCKER + "image.rootfs.foreign.diff.tar.gzip"]))
            del self.blobs[made["digest"]]
            self.absent.add(made["digest"])
            return {**made, "urls": ["https://h.example/layer"]}
        tar = rng.choice(LAYERS)
        made = self.blob(tar, LAYER, self.algorithm())
        if self.odd(10):
            made["mediaType"] = rng.choice([DOCKER + "image.rootfs.diff.tar", LAYER + "+gzip", OCI + "layer.nondistributable.v1.tar", "application/x", ""])
        return self.descriptor(made)

    def image(self):
        machine = self.machine()
        docker = self.often(25)
        layers = [self.some_layer() for _ in range(self.rng.choice([0, 1, 1, 2, 4]) if not self.plain else self.rng.randint(1, 3))]
        if docker and self.plain:
            for one in layers:
                one["mediaType"] = DOCKER + "image.rootfs.diff.tar"
        config = {**machine, "config": {}, "rootfs": {"type": "layers", "diff_ids": [one["digest"] for one in layers]}, "n": self.rng.randint(0, 3)}
        told = dict(machine)
        if self.odd(5):
            for key in self.rng.choice([["os"], ["architecture"], ["os", "architecture"]]):
                config.pop(key)
                told.pop(key)
        described = self.blob(config, DOCKER + "container.image.v1+json" if docker else CONFIG, self.algorithm())
        media_type = SCHEMA2 if docker else MANIFEST
        content = {"schemaVersion": 2, "mediaType": media_type, "config": self.descriptor(described), "layers": layers}
        if self.odd(10):
            content["subject"] = self.rng.choice(self.made) if self.made and self.often(50) else {"mediaType": MANIFEST, "digest": "sha256:" + "a" * 64, "size": 3}
        if self.odd(5):
            content["artifactType"] = "application/x.thing"
        made = self.document("image", content, media_type, told)
        if self.often(85):
            made["platform"] = self.said(machine)
        if self.odd(5):
            made["artifactType"] = self.rng.choice([CONFIG, "application/x.thing"])
        return made

    def attested(self):
        made = self.attestation(self.rng.choice(self.made) if self.made else {"digest": "sha256:" + "b" * 64})
        self.kinds[made["digest"]] = "attestation"
        return made

    def thing(self):
        """An artifact; of each kind of descriptor there is."""
        rng = self.rng
        config = self.blob({}, "application/vnd.oci.empty.v1+json") if self.often(70) else self.blob({"x": 1}, "application/x.config+json")
        parts = [self.blob(rng.randbytes(30), rng.choice(["text/plain", "application/x", MANIFEST if self.odd(20) else "a/b"])) for _ in range(rng.randint(0, 2))]
        content = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": parts, "artifactType": "application/x.thing"}
        if self.odd(40) and self.made:
            content["subject"] = rng.choice(self.made)
        made = self.document("artifact", content, MANIFEST)
        if self.odd(60):
            made["artifactType"] = "application/x.thing"
        if self.odd(30):
            made["platform"] = self.machine()
        return made

    def nested(self, depth):
        media_type = LIST if self.odd(25) else INDEX
        made = self.document("index", {"schemaVersion": 2, "mediaType": media_type, "manifests": self.listed(depth)}, media_type)
        if self.odd(25):
            made["platform"] = self.said(self.machine())
        return made

    def listed(self, depth):
        rng = self.rng
        made = []
        for _ in range(rng.choice([0, 1, 2, 3, 4, 6]) if depth else rng.choice([1, 2, 3, 4, 6, 8, 12])):
            kind = rng.random()
            if kind < 0.55:
                one = self.image()
            elif kind < 0.65:
                one = self.attested()
            elif kind < 0.75:
                one = self.thing()
            elif kind < 0.87 and depth < 4 and not self.plain:
                one = self.nested(depth + 1)
            elif kind < 0.9 and not self.plain:
                one = self.blob(rng.randbytes(20), "application/octet-stream", self.algorithm())
                self.kinds[one["digest"]] = "blob"
                if self.odd(20):
                    one["platform"] = self.machine()
            elif made:
                one = dict(rng.choice(made))  # once more, as the same or as something else
                if self.often(50):
                    one["platform"] = self.said(self.machine())
            else:
                one = self.image()
            if self.odd(4) and self.kinds[one["digest"]] != "blob":
                one.pop("mediaType", None)
            made.append(self.descriptor(one))
        return made

    def top(self):
        if self.often(8):
            return self.image()
        return self.nested(0)


class Registry(http.server.BaseHTTPRequestHandler):
    """One that takes whatever has the digest that it is given under; what is put as a blob is no manifest, and the other way."""
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    kept = {}

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urllib.parse.urlsplit(self.path)
        name, kind, what = re.fullmatch(r"/v2/(\w+)/(manifests|blobs/uploads|blobs|referrers)/(.*)", url.path).groups()
        if self.command == "POST":
            return self.answer(202, Location=f"/v2/{name}/blobs/uploads/1")
        if self.command == "PUT":
            is_blob = kind == "blobs/uploads"
            digest = urllib.parse.parse_qs(url.query)["digest"][0] if is_blob else what if ":" in what else "sha256:" + hashlib.sha256(body).hexdigest()
            algorithm, hexadecimal = digest.split(":")
            if hashlib.new(algorithm, body).hexdigest() != hexadecimal:
                return self.answer(400)
            for key in {digest, digest if is_blob else what}:
                self.kept[name, "blobs" if is_blob else kind, key] = (body, digest, self.headers["Content-Type"])
            return self.answer(201)
        if (name, kind, what) not in self.kept:
            return self.answer(404)
        body, digest, media_type = self.kept[name, kind, what]
        return self.answer(200, body, Docker_Content_Digest=digest, Content_Type=media_type)
    do_GET = do_HEAD = do_POST = do_PUT = handle_any


class Broken(Exception):
    """What is not as it must be."""


def blob_path(directory, digest):
    return os.path.join(directory, "blobs", *digest.split(":"))


def reached(case, top):
    """What is below a descriptor, itself too: lists called `manifests` are documents, everything else is a blob."""
    seen, todo = set(), [(top, True)]
    documents = set()
    while todo:
        one, is_document = todo.pop()
        digest = one["digest"]
        if digest in case.absent and digest not in case.blobs:
            continue
        seen.add(digest)
        if not is_document or one.get("mediaType", "") not in DOCUMENTS or digest in documents:
            continue
        documents.add(digest)
        content = json.loads(case.blobs[digest])
        todo += [(below, True) for below in content.get("manifests") or []]
        todo += [(below, False) for below in (content.get("layers") or []) + ([content["config"]] if "config" in content else [])]
    return seen


class Judge:
    def __init__(self, program):
        self.process = subprocess.Popen([program, "platforms"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) if program else None

    def order(self, want, have):
        if not have:
            return []
        self.process.stdin.write(json.dumps({"want": want, "have": have}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def complete(platform):
    """A platform that names a machine, else nothing."""
    return platform if platform and platform.get("architecture") else None


def chosen(case, judge, want, entries, outer):
    """The digest of the image for a platform: in each index the entries that say a platform in the judge's order, then the
    others in theirs, by what their configs say."""
    said, others = [], []
    for one in entries:
        if "vnd.docker.reference.type" in (one.get("annotations") or {}):
            continue
        platform = complete(one.get("platform"))
        (said if platform else others).append((one, platform))
    for one, platform in [said[i] for i in judge.order(want, [platform for _, platform in said])] + others:
        kind = case.kinds[one["digest"]]
        if kind == "index":
            found = chosen(case, judge, want, json.loads(case.blobs[one["digest"]])["manifests"], platform or outer)
            if found:
                return found
        elif kind == "image":
            platform = platform or complete(case.platforms[one["digest"]]) or outer
            if platform and judge.order(want, [platform]):
                return one["digest"]
    return None


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    return done.returncode, done.stdout.strip(), done.stderr.strip()


def contents(directory):
    """{digest: bytes} of a layout's blobs; what does not belong there is Broken."""
    found = {}
    for where, _, files in os.walk(directory):
        for file in files:
            path = os.path.relpath(os.path.join(where, file), directory)
            parts = path.split("/")
            if parts[0] == "blobs" and len(parts) == 3:
                found[parts[1] + ":" + parts[2]] = open(os.path.join(where, file), "rb").read()
            elif path not in ("index.json", "oci-layout"):
                raise Broken("left behind: " + path)
    return found


def compare(what, got, case, want):
    extra, missing = set(got) - want, want - set(got)
    if extra or missing:
        raise Broken(f"{what}: too much {sorted(extra)}, missing {sorted(missing)}")
    for digest in want:
        if got[digest] != case.blobs[digest]:
            raise Broken(f"{what}: other bytes in {digest}")


def archive(path):
    with tarfile.open(path) as tar:
        return {m.name.removeprefix("blobs/").replace("/", ":"): tar.extractfile(m).read() for m in tar if m.name.startswith("blobs/") and m.isfile()}


class Tester:
    def __init__(self, program, judge, directory, host):
        self.program, self.judge, self.directory, self.host = program, Judge(judge), directory, host
        self.tally = {}
        self.own_registry = type("Own", (Registry,), {"kept": {}})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.own_registry)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.own = f"127.0.0.1:{server.server_port}"

    def count(self, what):
        self.tally[what] = self.tally.get(what, 0) + 1

    def copy(self, *arguments):
        return run(self.program, "copy", *arguments, "--cache-dir", self.directory + "/cache")

    def case(self, seed, number):
        rng = random.Random(f"{seed} {number}")
        case = Case(rng, plain=rng.random() < 0.2)
        top = case.top()
        case.name(top, "t")
        here = f"{self.directory}/{number}"
        os.makedirs(here)
        case.write(here + "/in")
        self.whole(case, top, here, rng, number)
        if self.judge.process:
            for _ in range(3):
                self.platform(case, top, here, rng)
        if rng.random() < 0.5:
            self.damaged(case, top, here, rng)
        else:
            self.lying(case, top, here, rng)
        shutil.rmtree(here)

    def whole(self, case, top, here, rng, number):
        want = reached(case, top)
        status, out, err = self.copy(f"oci:{here}/in:t", f"oci:{here}/out:u")
        if status or out != top["digest"]:
            raise Broken(f"copy: {status} {out} {err}")
        compare("a copy", contents(here + "/out"), case, want)
        entries = json.load(open(here + "/out/index.json"))["manifests"]
        for key in ("mediaType", "digest", "size"):
            if [entry.get(key) for entry in entries] != [top.get(key) if key in top else entries[0].get(key)]:
                raise Broken(f"index.json: {entries}, want {top}")
        self.count("copies")
        if number % 4 == 0:
            status, out, err = self.copy(f"oci:{here}/out", f"oci-archive:{here}/a.tar")
            if status or out != top["digest"]:
                raise Broken(f"to an archive: {status} {out} {err}")
            compare("an archive", archive(here + "/a.tar"), case, want)
            self.count("archives")
        if number % 4 == 1:
            # A SHA-512 at the top is not what a tag leads to: registries say the SHA-256 of what they have.
            self.there_and_back(case, top, here, self.own, want)
            self.own_registry.kept.clear()
        if case.plain and number % 4 == 2 and self.host:
            self.there_and_back(case, top, here, self.host, want)
        if case.plain and number % 3 == 0:
            status, out, err = run("skopeo", "copy", "-q", "--all", "--preserve-digests", f"oci:{here}/in:t", f"oci:{here}/theirs:u")
            if status == 0:
                compare("what skopeo copies", contents(here + "/theirs"), case, want)
                self.count("as skopeo")
            else:
                self.count("not taken by skopeo")

    def there_and_back(self, case, top, here, host, want):
        name = f"{host}/c{top['digest'][-20:]}"
        name += "@" + top["digest"] if top["digest"].startswith("sha512") else ":u"
        shutil.rmtree(self.directory + "/other", ignore_errors=True)
        for source, target, cache in ((f"oci:{here}/in:t", f"docker://{name}", "cache"), (f"docker://{name}", f"oci:{here}/back:u", "other")):
            status, out, err = run(self.program, "copy", source, target, "--plain-http", host, "--cache-dir", f"{self.directory}/{cache}")
            if status or out != top["digest"]:
                raise Broken(f"{source} {target}: {status} {out} {err}")
        compare("from a registry", contents(here + "/back"), case, want)
        shutil.rmtree(here + "/back")
        self.count("through distribution" if host == self.host else "through a registry")

    def platform(self, case, top, here, rng):
        arch = rng.choice(case.architectures)
        variant = rng.choice(WANTED[arch])
        want = {"os": "linux", "architecture": arch, "variant": variant}
        name = f"linux/{arch}" + (f"/{variant}" if variant else "")
        if case.kinds[top["digest"]] == "index":
            expected = chosen(case, self.judge, want, json.loads(case.blobs[top["digest"]])["manifests"], None)
        else:
            have = case.platforms[top["digest"]]
            # What a config leaves out does not contradict.
            bare = not complete(have) or (not have.get("variant") and have["architecture"] == arch)
            expected = top["digest"] if bare or self.judge.order(want, [have]) else None
        path = f"{here}/one.tar"
        status, out, err = self.copy(f"oci:{here}/in:t", f"oci-archive:{path}:u", "--platform", name)
        if expected is None:
            if status != 1 or out or os.path.exists(path) or not any(x in err for x in ("no image", "want " + "linux/", "names nothing")):
                raise Broken(f"{name}: none is for it; {status} {out} {err}")
            self.count("no image")
            return
        if status or out != expected:
            raise Broken(f"{name}: got {status} {out} {err}, want {expected}")
        compare(name, archive(path), case, reached(case, {"digest": expected, "mediaType": ""}))
        os.remove(path)
        self.count("chosen")

    def damaged(self, case, top, here, rng):
        directory = here + "/bad"
        shutil.copytree(here + "/in", directory)
        victim = rng.choice(sorted((reached(case, top) - case.elsewhere) | {top["digest"]}))
        path = blob_path(directory, victim)
        how = rng.choice(["missing", "changed", "longer", "shorter", "directory", "link"])
        if how == "missing" or not case.blobs[victim]:
            os.remove(path)
        elif how == "changed":
            content = bytearray(case.blobs[victim])
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
            open(path, "wb").write(content)
        elif how in ("longer", "shorter"):
            open(path, "wb").write(case.blobs[victim] + b" " if how == "longer" else case.blobs[victim][:-1])
        else:
            os.remove(path)
            os.mkdir(path) if how == "directory" else os.symlink("/dev/null", path)
        self.refused(f"oci:{directory}:t", here, rng, f"{how} {victim}", [victim])
        self.count("damaged")

    def lying(self, case, top, here, rng):
        """A descriptor that is wrong, somewhere below an index: size, digest, what it calls a manifest, or too many indexes."""
        victim = rng.choice(sorted(case.blobs))
        size = len(case.blobs[victim])
        one = {"mediaType": "application/x", "digest": victim, "size": size}
        how = rng.choice(["size", "digest", "bytes", "depth"])
        if how == "size":
            one["size"] = rng.choice([size + 1, size - 1, 0, 2**63 - 1, 2**64, -1, "1", None, 1.5])
            if one["size"] == size:
                return
        elif how == "digest":
            hexadecimal = victim.split(":")[1]
            one["digest"] = rng.choice([victim.upper(), victim[:-1], victim + "0", "sha256:", "md5:" + hexadecimal[:32], "sha256:" + "../" * 21 + "x", hexadecimal, "", None,
                                        "sha512:" + "0" * 128, "sha256:" + "0" * 64, 7])
        elif how == "bytes":
            one = case.blob(b"{" + rng.randbytes(20), rng.choice(DOCUMENTS[:-1]))
            victim = one["digest"]
        names = [one["digest"] or "?" if isinstance(one["digest"], str) and len(one["digest"]) > 60 else victim]
        if how != "bytes" and rng.random() < 0.5:
            fine = case.blob({}, "application/vnd.oci.empty.v1+json")
            parts = [fine, one] if rng.random() < 0.5 else [one, fine]
            one = case.manifest(parts[0], parts[1:])
            names.append(one["digest"])
        for _ in range(34 if how == "depth" else rng.randint(1, 4)):
            one = case.index([one])
            names.append(one["digest"])
        case.entries = []
        case.name(one, "t")
        case.write(here + "/lie")
        self.refused(f"oci:{here}/lie:t", here, rng, f"{how} {victim}", names)
        self.count("lying")

    def refused(self, source, here, rng, what, names):
        """A copy ends with 1, names one of the digests, and leaves the destination as it was: not there, or with something."""
        before = None
        shutil.rmtree(here + "/kept", ignore_errors=True)
        if rng.random() < 0.5:
            kept = Layout()
            kept.name(kept.image("kept"), "kept")
            kept.write(here + "/kept")
            before = self.snapshot(here + "/kept")
        status, out, err = self.copy(source, f"oci:{here}/kept:u")
        if status != 1 or out or not any(name.split(":")[-1] in err for name in names):
            raise Broken(f"{what}: {status} {out} {err}")
        after = self.snapshot(here + "/kept") if os.path.exists(here + "/kept") else None
        if after != before:
            raise Broken(f"{what}: the destination was {before}, is {after}")

    @staticmethod
    def snapshot(directory):
        return sorted((os.path.relpath(os.path.join(where, file), directory), hashlib.sha256(open(os.path.join(where, file), "rb").read()).hexdigest())
                      for where, _, files in os.walk(directory) for file in files)


def work(program, judge, directory, host, seed, numbers):
    os.makedirs(directory)
    tester = Tester(program, judge, directory, host)
    failed = []
    for number in numbers:
        try:
            tester.case(seed, number)
        except Broken as error:
            failed.append(f"case {number}: {error}")
        if len(failed) == 20:
            break
    return tester.tally, failed


def main():
    program, judge, count, seed, directory, *host = sys.argv[1:]
    count, first = int(count), int(os.environ.get("FIRST", 0))
    workers = min(os.cpu_count() or 1, 1 + count // 200)
    tally, failed = {}, []
    with concurrent.futures.ProcessPoolExecutor(workers) as pool:
        jobs = [pool.submit(work, program, judge, f"{directory}/{n}", host[0] if host else "", seed, range(first + n, first + count, workers)) for n in range(workers)]
        for job in jobs:
            counted, wrong = job.result()
            failed += wrong
            for what, number in counted.items():
                tally[what] = tally.get(what, 0) + number
    for line in failed:
        print(line[:3000])
    print(", ".join(f"{what}: {number}" for what, number in sorted(tally.items())))
    sys.exit(1 if failed or not tally else 0)


if __name__ == "__main__":
    main()
