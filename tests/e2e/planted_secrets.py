#!/usr/bin/env python3
"""planted_secrets.py MINIBUILD SCRATCH: plants declared secrets in many encodings and places, and wants every build refused
with the secret's id and the place, without the value in any output, without an image, and with nothing of it in the cache.

The encodings are made by Python's own libraries and by coreutils, and looked for by them: nothing of minibuild judges.
With a name as third argument only the cases whose name has it are run.
"""
import base64
import concurrent.futures
import gzip
import hashlib
import html
import io
import json
import os
import pathlib
import random
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import threading
import urllib.parse
import xml.sax.saxutils

MINIBUILD, SCRATCH = sys.argv[1], pathlib.Path(sys.argv[2])
ONLY = sys.argv[3] if len(sys.argv) > 3 else ""
RANDOM = random.Random(20261125)
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def word(length):
    return "".join(RANDOM.choice(LETTERS) for _ in range(length))


def armoured():
    body = base64.b64encode(RANDOM.randbytes(610)).decode()
    lines = [body[i:i + 64] for i in range(0, len(body), 64)]
    return "-----BEGIN TEST KEY-----\n" + "\n".join(lines) + "\n-----END TEST KEY-----\n"


# By kind: each is a value as a person would give it.
SECRETS = {
    "plain": "tok" + word(33),
    "special": "a/" + word(6) + " \"&<x>'$HOME+\\`%~é=;#" + word(5),
    "key": armoured(),
    "newline": word(24) + "\n",
    "utf8": "пароль-" + word(6) + "-ключ-🔑-" + word(3),
}


# --- encodings: from a value to bytes ---------------------------------------------------------------------------------

def b64(value, shift=0, url=False, break_at=0, end="\n"):
    text = (base64.urlsafe_b64encode if url else base64.b64encode)(b"x" * shift + value).decode()
    if break_at:
        text = end.join(text[i:i + break_at] for i in range(0, len(text), break_at)) + end
    return text.encode()


def text(function):
    return lambda value: function(value.decode()).encode()


def bash(script):
    return lambda value: subprocess.run(["bash", "-c", script, "-", value.decode()], capture_output=True, check=True,
                                        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}).stdout


def go_json(value):
    # As encoding/json of Go does it by default.
    out = json.dumps(value, ensure_ascii=False)[1:-1]
    return out.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def go_xml(value):
    out = html.escape(value, quote=False).replace('"', "&#34;").replace("'", "&#39;")
    return out.replace("\n", "&#xA;")


ENCODINGS = {
    "raw": lambda v: v,
    "trimmed": lambda v: v.strip(),
    "base64-0": lambda v: b64(v),
    "base64-1": lambda v: b64(v, 1),
    "base64-2": lambda v: b64(v, 2),
    "base64url-0": lambda v: b64(v, 0, True),
    "base64url-1": lambda v: b64(v, 1, True),
    "base64url-2": lambda v: b64(v, 2, True),
    "base64-in-lines": lambda v: b64(v, 1, False, 20, "\r\n  "),
    "base64-76": lambda v: b64(v, 0, False, 76),
    "base64-twice": lambda v: b64(b64(v)),
    "base64-of-lines": lambda v: b64(b64(v, 0, False, 76), 0, False, 76),
    "base64-of-base64url": lambda v: b64(b64(v, 0, True), 1),
    "hex": lambda v: v.hex().encode(),
    "hex-upper": lambda v: v.hex().upper().encode(),
    "hex-in-lines": lambda v: v.hex(" ", 2).replace(" 0", "\n0").encode(),
    "url": text(lambda v: urllib.parse.quote(v, safe="")),
    "url-lower": text(lambda v: re.sub("%..", lambda m: m[0].lower(), urllib.parse.quote(v, safe=""))),
    "url-plus": text(urllib.parse.quote_plus),
    "url-path": text(lambda v: urllib.parse.quote(v, safe="/")),
    "url-component": text(lambda v: urllib.parse.quote(v, safe="!~*'()")),
    "json": text(lambda v: json.dumps(v)[1:-1]),
    "json-utf8": text(lambda v: json.dumps(v, ensure_ascii=False)[1:-1]),
    "json-slashes": text(lambda v: json.dumps(v)[1:-1].replace("/", "\\/")),
    "json-upper": text(lambda v: re.sub(r"\\u....", lambda m: "\\u" + m[0][2:].upper(), json.dumps(v)[1:-1])),
    "json-go": text(go_json),
    "xml": text(xml.sax.saxutils.escape),
    "xml-quotes": text(lambda v: xml.sax.saxutils.escape(v, {'"': "&quot;", "'": "&apos;"})),
    "html": text(html.escape),
    "xml-go": text(go_xml),
    "shell-single": bash('printf "%s" "${1@Q}"'),
    "shell-backslash": bash('printf "%q" "$1"'),
    "shell-python": text(shlex.quote),
    "shell-double": text(lambda v: '"' + re.sub(r'([\\"$`])', r"\\\1", v) + '"'),
    "utf-16le": lambda v: v.decode().encode("utf-16-le"),
    "utf-16be": lambda v: v.decode().encode("utf-16-be"),
}
IS_TEXT = [name for name in ENCODINGS if not name.startswith("utf-16")]


def needles(value):
    """What must be nowhere: each encoding of the value without what its neighbours decide."""
    core = value.encode().strip()
    found = set()
    for name, encode in ENCODINGS.items():
        if name.startswith("base64"):
            continue
        found.add(encode(core))
    for shift in range(3):
        for url in (False, True):
            once = b64(core, shift, url).rstrip(b"=")[4 if shift else 0:-4]
            found.add(once)
            for again in range(3):
                found.add(b64(once, again).rstrip(b"=")[4 if again else 0:-4])
    lines = core.split(b"\n")
    if len(lines) > 2:
        found.update(lines[1:-1])
    return {one for one in found if len(one) >= 8}


NEEDLES, PARTS = {}, {}  # by kind


def parts(kind):
    """Of the usual encodings each piece of 28 characters: not even a part of one may be shown."""
    core = SECRETS[kind].encode().strip()
    if kind == "key":
        core = core[30:-30].replace(b"\n", b"")
    forms = [core, core.hex().encode(), core.hex().upper().encode()]
    whole = SECRETS[kind].encode()
    body = b64(whole)[60:-60] if kind == "key" else b64(whole).rstrip(b"=")[:-2]
    forms += [body, b64(whole, 1)[64:-60] if kind == "key" else b64(whole, 1).rstrip(b"=")[4:-2]]
    return {form[i:i + 28] for form in forms for i in range(0, max(1, len(form) - 27))}


def holds(data, kind):
    bare = re.sub(rb"\s", b"", data)
    return any(needle in data or needle in bare for needle in NEEDLES[kind])


# --- images of another builder ----------------------------------------------------------------------------------------

def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def tar_of(entries, form=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for path, data in entries:
            info = tarfile.TarInfo(path)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def layout(directory, layers, history=None, env=None, labels=None, annotations=None, ustar=False):
    blobs = directory / "blobs/sha256"
    blobs.mkdir(parents=True)

    def put(data):
        (blobs / hashlib.sha256(data).hexdigest()).write_bytes(data)
        return {"digest": sha256(data), "size": len(data)}

    tars = [tar_of(layer, tarfile.USTAR_FORMAT if ustar else tarfile.PAX_FORMAT) for layer in layers]
    config = {"architecture": "amd64", "os": "linux", "config": {"User": "65532"},
              "rootfs": {"type": "layers", "diff_ids": [sha256(tar) for tar in tars]},
              "history": [{"created_by": "COPY . ."} for _ in tars]}
    if history:
        config["history"][0]["created_by"] = history
    if env:
        config["config"]["Env"] = env
    if labels:
        config["config"]["Labels"] = labels
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **put(json.dumps(config).encode())},
                "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **put(gzip.compress(tar, 1))}
                           for tar in tars]}
    if annotations:
        manifest["annotations"] = annotations
    index = {"schemaVersion": 2, "manifests": [{"mediaType": manifest["mediaType"], **put(json.dumps(manifest).encode())}]}
    (directory / "index.json").write_text(json.dumps(index))
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


# --- places: each makes a spec in a directory and says what the message must name ------------------------------------

class Case:
    def __init__(self, name, kind, make, place, options=()):
        self.name, self.kind, self.make, self.place, self.options = name, kind, make, place, list(options)


def write_spec(directory, **keys):
    spec = {"minibuild": 1, "image": "registry.example.com/team/planted:1", "user": 65532, **keys}
    (directory / "minibuild.yaml").write_text(json.dumps(spec, ensure_ascii=False))


def copied(data):
    def make(directory):
        (directory / "app").mkdir()
        (directory / "app/settings.bin").write_bytes(data)
        write_spec(directory, copy=[{"from": "app", "to": "/srv/app"}])
    return make


BIG = SCRATCH / "big.bin"


def big(offset, data):
    def make(directory):
        shutil.copyfile(BIG, directory / "firmware.bin")
        with open(directory / "firmware.bin", "r+b") as file:
            file.seek(offset)
            file.write(data)
        write_spec(directory, copy=[{"from": "firmware.bin", "to": "/lib/firmware.bin"}])
    return make


def keys(**which):
    return lambda directory: write_spec(directory, **which)


def file_name(name):
    def make(directory):
        path = directory / "app" / name
        path.parent.mkdir(parents=True)
        path.write_text("x")
        write_spec(directory, copy=[{"from": "app", "to": "/srv"}])
    return make


def copied_link(target):
    def make(directory):
        (directory / "app").mkdir()
        os.symlink(target, directory / "app/link")
        write_spec(directory, copy=[{"from": "app", "to": "/srv"}])
    return make


def on_base(layers, more=None, **which):
    def make(directory):
        layout(directory / "base.oci", layers, **which)
        write_spec(directory, base="oci:base.oci", **(more or {}))
    return make


def stage(commands, kind, image=None, **which):
    def make(directory):
        shutil.copyfile(__file__, directory / "encode.py")
        one = {"base": "host", "workdir": "/src", "secrets": [{"id": kind, "file": "/run/secrets/it"}],
               "copy": [{"from": "encode.py", "to": "/src/"}], "run": commands, **which}
        write_spec(directory, stages={"build": one}, **(image or {"copy": [{"stage": "build", "from": "/src/fine", "to": "/fine"}]}))
    return make


def encode_in_stage(encoding):
    # This file is a module for the stage, too: it needs nothing but Python.
    return "python3 encode.py --encode %s < /run/secrets/it" % encoding


def with_arguments(**which):
    return lambda directory: write_spec(directory, args={"GIVEN": "unset"}, **which)


def cases():
    for kind, value in SECRETS.items():
        whole = value.encode()
        # Every encoding of every kind in a copied file, between other bytes.
        for name, encode in ENCODINGS.items():
            if name == "trimmed" and value == value.strip():
                continue
            data = b"\x7fELF some=" + encode(whole) + b" end\n"
            yield Case(f"copied file, {name}, {kind}", kind, copied(data), "/srv/app/settings.bin")
    mebi = 1 << 20
    for kind, encoding, offset in [("plain", "raw", mebi - 5), ("plain", "base64-1", 4 * mebi - 7), ("key", "raw", 4 * mebi - 400),
                                   ("key", "hex-in-lines", mebi - 1), ("utf8", "utf-16le", 8 * mebi - 9),
                                   ("special", "json-go", 4 * mebi - 1), ("plain", "base64-twice", 9 * mebi - 200)]:
        yield Case(f"9 MiB file at {offset}, {encoding}, {kind}", kind, big(offset, ENCODINGS[encoding](SECRETS[kind].encode())),
                   "/lib/firmware.bin")
    plain, special = SECRETS["plain"], SECRETS["special"]

    def enc(encoding, kind="plain"):
        return ENCODINGS[encoding](SECRETS[kind].encode()).decode()

    yield Case("file name, raw", "plain", file_name(plain), "the name of a file")
    yield Case("file name, hex", "plain", file_name("a/" + enc("hex")), "the name of a file")
    yield Case("file name, base64url", "utf8", file_name(enc("base64url-1", "utf8")), "the name of a file")
    yield Case("path with a slash of base64", "special", file_name(enc("base64-2", "special") + "/x"), "the name of a file")
    yield Case("name of an empty directory", "plain", lambda d: (d / "app" / plain).mkdir(parents=True) or write_spec(
        d, copy=[{"from": "app", "to": "/srv"}]), "the name of a file")
    yield Case("link target, raw", "plain", copied_link("/opt/" + plain), "/srv/link")
    yield Case("link target, url", "special", copied_link(enc("url", "special")), "/srv/link")
    for encoding in ("raw", "json", "base64-0", "shell-single"):
        yield Case(f"files content, {encoding}", "special",
                   keys(files=[{"file": "/etc/app.conf", "content": "a\nb = " + enc(encoding, "special").replace("$", "$$") + "\n"}]),
                   "minibuild.yaml:1|/etc/app.conf")
    yield Case("files name", "plain", keys(files=[{"file": "/etc/" + plain, "content": "x"}]), "minibuild.yaml")
    yield Case("files link target", "plain", keys(files=[{"symlink": "/etc/a", "target": enc("hex")}]), "minibuild.yaml")
    for kind, encoding in [("plain", "raw"), ("special", "raw"), ("plain", "base64-2"), ("utf8", "url"), ("key", "raw"), ("key", "base64-0")]:
        given = enc(encoding, kind).replace("$", "$$")
        yield Case(f"env, {encoding}, {kind}", kind, keys(env={"SETTING": "a" + given}), "minibuild.yaml:1|env: SETTING")
        yield Case(f"label, {encoding}, {kind}", kind, keys(labels={"com.example.note": given}), "minibuild.yaml:1|com.example.note")
        yield Case(f"annotation, {encoding}, {kind}", kind, keys(annotations={"com.example.note": given}), "minibuild.yaml:1|com.example.note")
        yield Case(f"cmd, {encoding}, {kind}", kind, keys(cmd=["/app", "--with=" + given]), "minibuild.yaml:1|cmd")
        yield Case(f"entrypoint, {encoding}, {kind}", kind, keys(entrypoint=["/app", given]), "minibuild.yaml:1|entrypoint")
    yield Case("name of a label", "plain", keys(labels={"com.example." + plain: "x"}), "minibuild.yaml")
    yield Case("name of a variable", "plain", keys(env={plain: "x"}), "minibuild.yaml")
    yield Case("workdir", "plain", keys(workdir="/" + plain), "minibuild.yaml")
    yield Case("volume", "plain", keys(volumes=["/" + plain]), "minibuild.yaml")
    yield Case("account's home", "plain", keys(accounts={"users": [{"name": "app", "uid": 5, "home": "/" + plain}]}), "minibuild.yaml")
    yield Case("tag of the image", "plain", keys(image="registry.example.com/team/app:" + plain), "minibuild.yaml")
    # Arguments of the build: in the spec, on the command line, put together.
    yield Case("argument in the spec", "plain", lambda d: write_spec(d, args={"A": plain}, env={"B": "${A}"}), "minibuild.yaml")
    for where, which in {"env": {"env": {"X": "${GIVEN}"}}, "label": {"labels": {"x": "${GIVEN}"}}, "cmd": {"cmd": ["${GIVEN}"]},
                         "nothing": {}}.items():
        yield Case(f"--set used in {where}", "plain", with_arguments(**which), "--set", ["--set", "GIVEN=" + plain])
        yield Case(f"--set used in {where}, base64", "special", with_arguments(**which), "--set", ["--set", "GIVEN=" + enc("base64-1", "special")])
    yield Case("put together of two arguments", "plain",
               lambda d: write_spec(d, args={"A": plain[:18], "B": plain[18:]}, env={"X": "${A}${B}"}), "env: X")
    yield Case("put together in a file", "plain",
               lambda d: write_spec(d, args={"A": plain[:18], "B": plain[18:]}, files=[{"file": "/etc/x", "content": "${A}${B}"}]), "/etc/x")
    yield Case("put together in a stage's command", "plain",
               lambda d: write_spec(d, args={"A": plain[:18], "B": plain[18:]}, copy=[{"stage": "build", "from": "/src/fine", "to": "/fine"}],
                                    stages={"build": {"base": "host", "workdir": "/src", "run": ["echo ${A}${B} | wc -c > fine"]}}),
               "the stage 'build'")
    # What a base brings.
    for kind, encoding in [("plain", "raw"), ("key", "base64-76"), ("utf8", "json"), ("special", "xml-quotes")]:
        data = ENCODINGS[encoding](SECRETS[kind].encode())
        yield Case(f"layer of the base, {encoding}, {kind}", kind, on_base([[("opt/a", b"x"), ("opt/conf", b"k=" + data)]]), "/opt/conf")
        yield Case(f"deleted in the base, {encoding}, {kind}", kind,
                   on_base([[("opt/conf", b"k=" + data)], [("opt/.wh.conf", b"")]]), "/opt/conf")
        yield Case(f"history of the base, {encoding}, {kind}", kind, on_base([[("a", b"x")]], history="RUN " + data.decode()), "history")
    yield Case("env of the base", "plain", on_base([[("a", b"x")]], env=["T=" + plain]), "env: T")
    yield Case("label of the base", "plain", on_base([[("a", b"x")]], labels={"t": enc("hex-upper")}), "label")
    yield Case("name of a file of the base", "plain", on_base([[("opt/" + plain, b"x")]]), "the name of a file")
    yield Case("long name in the base", "plain", on_base([[("d" * 90 + "/" + plain + "/" + "e" * 50, b"x")]]), "the name of a file")
    # ustar keeps such a name in two fields, cut at the slash that is in the secret.
    yield Case("name of the base in two fields", "special", on_base([[(special[:2].rjust(70, "d") + special[2:] + "e" * 60, b"x")]], ustar=True),
               "the name of a file")
    yield Case("single layer over a base", "plain", on_base([[("opt/conf", plain.encode())]], more={"layers": "single"}), "/opt/conf")
    yield Case("copied from an image", "plain",
               lambda d: layout(d / "other.oci", [[("opt/conf", plain.encode())]]) or write_spec(
                   d, copy=[{"image": "oci:other.oci", "from": "/opt/conf", "to": "/conf"}]), "/conf")
    yield Case("beside what is copied from an image", "plain",
               lambda d: layout(d / "other.oci", [[("opt/conf", plain.encode()), ("opt/fine", b"x")]]) or write_spec(
                   d, copy=[{"image": "oci:other.oci", "from": "/opt/fine", "to": "/fine"}]), "/opt/conf")
    yield Case("base of a stage", "plain",
               lambda d: layout(d / "other.oci", [[("opt/conf", plain.encode()), ("opt/fine", b"x")]]) or write_spec(
                   d, copy=[{"stage": "s", "from": "/opt/fine", "to": "/fine"}],
                   stages={"s": {"base": "oci:other.oci"}}), "/opt/conf")

    def below(directory):
        write_spec(directory, base="./below.yaml")
        (directory / "below.yaml").write_text(json.dumps(
            {"minibuild": 1, "user": 65532, "files": [{"file": "/etc/below", "content": plain}]}))
    yield Case("in a spec below", "plain", below, "below.yaml")
    # Stages: what stays in the cache, though no copy takes it.
    for kind, encoding in [("plain", "raw"), ("plain", "utf-16le"), ("special", "base64-2"), ("special", "shell-python"), ("key", "raw"),
                           ("key", "base64-76"), ("key", "base64-of-lines"), ("newline", "hex"), ("utf8", "url"), ("utf8", "utf-16be")]:
        yield Case(f"left by a stage, {encoding}, {kind}", kind,
                   stage(["echo x > fine", "mkdir -p deep/er", encode_in_stage(encoding) + " > deep/er/.rc"], kind), "/src/deep/er/.rc")
    yield Case("name of a file left by a stage", "plain", stage(["echo x > fine", ': > "/src/$(cat /run/secrets/it)"'], "plain"),
               "the name of a file")
    yield Case("link left by a stage", "plain", stage(["echo x > fine", 'ln -s "$(cat /run/secrets/it)" link'], "plain"), "/src/link")
    for kind, encoding in [("plain", "raw"), ("key", "base64-0"), ("utf8", "json")]:
        yield Case(f"kept directory of a stage, {encoding}, {kind}", kind,
                   stage(["echo x > fine", "mkdir -p /kept/a", encode_in_stage(encoding) + " > /kept/a/index"], kind, caches=["/kept"]),
                   "/a/index")
    yield Case("file name in a kept directory", "plain",
               stage(["echo x > fine", ': > "/kept/$(cat /run/secrets/it)"'], "plain", caches=["/kept"]), "the name of a file")
    yield Case("directory's name in a kept directory", "plain",
               stage(["echo x > fine", 'mkdir "/kept/$(cat /run/secrets/it)"'], "plain", caches=["/kept"]), "the name of a file")
    yield Case("link in a kept directory", "plain",
               stage(["echo x > fine", 'ln -s "$(cat /run/secrets/it)" /kept/link'], "plain", caches=["/kept"]), "/link")
    closed = ["echo x > fine", "mkdir -p /kept/a/b", "cat /run/secrets/it > /kept/a/b/f", "chmod 0 /kept/a/b/f /kept/a/b", "chmod 500 /kept/a"]
    yield Case("closed file in a kept directory", "plain", stage(closed, "plain", caches=["/kept"]), "/a/b/f")
    yield Case("old times in a kept directory", "plain",
               stage(["echo x > fine", "cat /run/secrets/it > /kept/old", "touch -d 2001-01-01 /kept/old"], "plain", caches=["/kept"]), "/old")
    # Logs, in encodings that are not hidden.
    for kind, encoding in [("plain", "hex"), ("plain", "base64-1"), ("special", "url"), ("special", "shell-backslash"), ("key", "base64-76"),
                           ("key", "hex"), ("utf8", "json"), ("newline", "base64-twice"), ("key", "base64-of-lines")]:
        yield Case(f"log of a stage, {encoding}, {kind}", kind,
                   stage(["echo begin; " + encode_in_stage(encoding) + "; echo; echo x > fine"], kind), "the stage 'build'")
    yield Case("log of a stage that fails", "plain", stage(["echo begin; " + encode_in_stage("hex") + "; echo; exit 1"], "plain"),
               "the stage 'build'")
    yield Case("log of a stage, in short lines", "plain", stage(["echo x > fine", "base64 -w 10 /run/secrets/it"], "plain"), "the stage 'build'")


# --- running ----------------------------------------------------------------------------------------------------------

local = threading.local()
caches = []
lock = threading.Lock()


def arguments_of(kind, directory):
    file = directory / "secret-value"
    file.write_bytes(SECRETS[kind].encode())
    return ["--secret", f"id={kind},src={file}"]


# Root may read everything: what is closed is tried as somebody else.
AS_OTHER = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]


def closed_to_others():
    """The kept directory of an ordinary user, with files that not even the owner may open."""
    home = SCRATCH / "other"
    home.mkdir()
    case = next(case for case in cases() if case.name == "closed file in a kept directory")
    case.make(home)
    shutil.copy(MINIBUILD, home / "minibuild")
    (home / "value").write_bytes(SECRETS[case.kind].encode())
    for path in (home, *home.rglob("*")):
        os.chown(path, 65534, 65534)
    os.chmod(home, 0o755)
    os.chmod(SCRATCH, 0o755)
    result = subprocess.run([*AS_OTHER, home / "minibuild", "build", "--progress", "plain", "minibuild.yaml", "-o", "oci:out.oci", "--cache-dir",
                             "cache", "--secret", f"id={case.kind},src=value"], cwd=home, capture_output=True, timeout=100, env={"HOME": str(home)})
    errors = [] if result.returncode == 3 and case.place in result.stderr.decode() else [f"exit status {result.returncode}: {result.stderr.decode()}"]
    return errors + [f"left in {path}: {kind}" for kind, path, _ in search_cache(home / "cache", [case.kind])]


def run(case, number):
    directory = SCRATCH / f"case{number}"
    directory.mkdir()
    (SCRATCH / "values" / str(number)).mkdir(parents=True)
    case.make(directory)
    if not hasattr(local, "cache"):
        with lock:
            local.cache = SCRATCH / f"cache{len(caches)}"
            caches.append(local.cache)
    result = subprocess.run(
        [MINIBUILD, "build", "--progress", "plain", "minibuild.yaml", "-o", "oci:out.oci", "--cache-dir", local.cache,
         "--metadata-file", "meta.json", *case.options, *arguments_of(case.kind, SCRATCH / "values" / str(number))],
        cwd=directory, capture_output=True, timeout=120)
    errors = []
    said = result.stderr.decode(errors="replace")
    if result.returncode != 3:
        errors.append(f"exit status {result.returncode}, want 3: {said[-600:]}")
    else:
        if f"'{case.kind}'" not in said:
            errors.append(f"the id is not named: {said}")
        if not any(place in said for place in case.place.split("|")):
            errors.append(f"want the place {case.place}: {said}")
        for needed in ("[secret]", "why:", "fix:"):
            if needed not in said:
                errors.append(f"no {needed}: {said}")
    output = result.stdout + result.stderr
    if holds(output, case.kind):
        errors.append("the value, or an encoding, is shown")
    # Lines of a log without the name of the stage before them.
    bare = re.sub(rb"\s", b"", re.sub(rb"(?m)^(build)? *\| ", b"", output))
    if any(part in output or part in bare for part in PARTS[case.kind]):
        errors.append("a part of an encoding is shown")
    if result.returncode == 3:
        for left in ("out.oci", "meta.json", "minibuild.lock.json"):
            if (directory / left).exists():
                errors.append(f"{left} is there")
    shutil.rmtree(directory)
    return errors


def search_cache(cache, wanted):
    """Every file of the cache, as it is and decompressed, and every name."""
    for path in sorted(cache.rglob("*")):
        names = str(path.relative_to(cache)).encode()
        if path.is_symlink():
            names += b" " + os.readlink(path).encode()
        data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        texts = [names, data]
        if data[:4] == b"\x28\xb5\x2f\xfd":
            texts.append(subprocess.run(["zstd", "-dcq"], input=data, capture_output=True).stdout)
        if data[:2] == b"\x1f\x8b":
            texts.append(gzip.decompress(data))
        for one in texts:
            if len(one) < 8 or len(one) > (64 << 20):
                continue
            for kind in wanted:
                if holds(one, kind):
                    yield kind, path.relative_to(cache), one[:60]


def control(name, status, make, secrets, said="", options=()):
    directory = SCRATCH / ("control-" + re.sub(r"\W+", "-", name))
    directory.mkdir()
    make(directory)
    given = []
    for i, (id, value) in enumerate(secrets.items()):
        (directory / f"value{i}").write_bytes(value)
        given += ["--secret", f"id={id},src={directory / f'value{i}'}"]
    result = subprocess.run([MINIBUILD, "build", "--progress", "plain", "minibuild.yaml", "-o", "dir:out", "--cache-dir",
                             SCRATCH / "control-cache", *options, *given], cwd=directory, capture_output=True, timeout=120)
    text = result.stderr.decode(errors="replace")
    if result.returncode != status or said not in text:
        return [f"exit status {result.returncode}, want {status} and '{said}': {text[-600:]}"]
    return []


def controls():
    plain, key = SECRETS["plain"], SECRETS["key"]
    proper = ["sha256sum < /run/secrets/it | cut -c1-64 > fine", "echo used", "cat /run/secrets/it", "base64 /run/secrets/it"]
    if os.getuid() == 0:
        yield "closed files of an ordinary user", closed_to_others()
    else:
        print("not run: kept directories of another user, which needs root here")
    yield "used properly", control("used properly", 0, stage(proper, "plain"), {"plain": plain.encode()})
    yield "a printed key is hidden", control("a key", 0, stage(["sha256sum < /run/secrets/it > fine", "cat /run/secrets/it"], "key"),
                                             {"key": key.encode()})
    near = [plain[:-1], plain[1:], plain.swapcase(), plain[:0:-1], plain[:10] + "x" + plain[11:], plain[:16] + "x\n" + plain[16:] + "..."]
    near += [b64((one[:-1] + "!").encode()).decode() for one in near] + [plain.swapcase().encode().hex()]
    data = "".join(one + "\n#\n" for one in near).encode()
    yield "in one line", control("in one line", 0, stage(["sha256sum < /run/secrets/it > fine", encode_in_stage("json")], "key"),
                                 {"key": key.encode()}, "***")
    yield "near misses", control("near misses", 0, copied(data), {"plain": plain.encode()})
    other = armoured()
    yield "another key", control("another key", 0, lambda d: write_spec(
        d, policy={"allow": [{"rule": "secret", "reason": "a test"}]}, files=[{"file": "/etc/key.pem", "content": other}]), {"key": key.encode()})
    yield "7 bytes", control("7 bytes", 2, keys(), {"pin": b"1234567"}, "the secret 'pin' has 7 bytes")
    yield "7 bytes and white space", control("7 and white space", 2, keys(), {"pin": b"  1234567\n\n\n"}, "'pin' has 7 bytes")
    yield "8 bytes", control("8 bytes", 0, keys(), {"pin": b"1234567x"})
    yield "8 bytes, found", control("8 bytes found", 3, copied(b"..1234567x.."), {"pin": b"1234567x"}, "'pin'")
    yield "none", control("none", 2, keys(), {"pin": b""}, "'pin'")
    yield "two secrets", control("two secrets", 3, copied(b"..." + plain.encode()), {"other": b"something-else", "token": plain.encode()}, "'token'")


def main():
    NEEDLES.update({kind: needles(value) for kind, value in SECRETS.items()})
    PARTS.update({kind: parts(kind) for kind in SECRETS})
    BIG.write_bytes(RANDOM.randbytes((9 << 20) + 77))
    chosen = [case for case in cases() if ONLY in case.name]
    failures = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for case, errors in zip(chosen, pool.map(run, chosen, range(len(chosen)))):
            for error in errors:
                failures += 1
                print(f"FAILED: {case.name}: {error}")
    wanted = sorted({case.kind for case in chosen})
    for cache in caches:
        for kind, path, data in search_cache(cache, wanted):
            failures += 1
            print(f"FAILED: the secret '{kind}' is in the cache, in {path} {data}")
    checked = 0
    for name, errors in controls() if not ONLY else ():
        checked += 1
        for error in errors:
            failures += 1
            print(f"FAILED: control: {name}: {error}")
    print(f"{len(chosen)} planted secrets, {checked} controls, {failures} failures")
    return 1 if failures or not chosen else 0


if __name__ == "__main__":
    if MINIBUILD == "--encode":
        sys.stdout.buffer.write(ENCODINGS[sys.argv[2]](sys.stdin.buffer.read()))
    else:
        sys.exit(main())
