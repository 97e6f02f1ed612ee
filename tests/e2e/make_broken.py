#!/usr/bin/env python3
"""Writes images that are wrong in one way each, as OCI layouts NAME.oci and archives NAME.tar, into a directory."""
import gzip as gzip_module
import hashlib
import io
import json
import os
import pathlib
import struct
import subprocess
import sys
import tarfile

TOP = pathlib.Path(sys.argv[1])
EMPTY_END = bytes(1024)


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def entry(name, kind=tarfile.REGTYPE, data=b"", link="", **fields):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    block = info.tobuf(tarfile.USTAR_FORMAT if not fields.get("pax_headers") else tarfile.PAX_FORMAT)
    return block + data + bytes(-len(data) % 512)


def raw_header(name=b"a", size=b"00000000000", kind=b"0", link=b"", checksum=None, uid=b"0000000"):
    block = bytearray(512)
    block[0:len(name)] = name
    block[100:108], block[108:116], block[116:124] = b"0000644\0", uid + b"\0", b"0000000\0"
    block[124:124 + len(size)] = size
    block[136:148], block[156:157] = b"00000000000\0", kind
    block[157:157 + len(link)] = link
    block[257:265] = b"ustar\x0000"
    block[148:156] = b" " * 8
    block[148:156] = checksum or b"%06o\0 " % sum(block)
    return bytes(block)


def pax(records, then):
    body = b"".join(records)
    return raw_header(b"PaxHeaders/x", b"%011o\0" % len(body), b"x") + body + bytes(-len(body) % 512) + then


def record(key, value):
    text = b" " + key + b"=" + value + b"\n"
    length = len(text) + 1
    while len(b"%d" % length) + len(text) != length:
        length += 1
    return b"%d" % length + text


GOOD = entry("etc", tarfile.DIRTYPE, mode=0o755) + entry("etc/name", data=b"good\n") + EMPTY_END


def gzip(data):
    return gzip_module.compress(data, mtime=0)


class Image:
    """A right image; a case changes a part of it before it is written."""

    def __init__(self, plain=GOOD, compress=gzip):
        self.layer = compress(plain)
        self.media = "application/vnd.oci.image.layer.v1.tar" + ("+gzip" if compress is gzip else "")
        self.diff_id = digest(plain)
        self.config = {"architecture": "amd64", "os": "linux", "config": {"User": "1:1"},
                       "rootfs": {"type": "layers", "diff_ids": [self.diff_id]},
                       "history": [{"created_by": "test"}]}
        self.manifest_changes, self.index_changes, self.layer_changes = {}, {}, {}
        self.config_text = self.manifest_text = self.index_text = None
        self.marker = '{"imageLayoutVersion":"1.0.0"}'
        self.drop, self.replace = set(), {}

    def files(self):
        config = (self.config_text or json.dumps(self.config)).encode()
        layer = {"mediaType": self.media, "digest": digest(self.layer), "size": len(self.layer), **self.layer_changes}
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(config),
                               "size": len(config)}, "layers": [layer], **self.manifest_changes}
        text = (self.manifest_text or json.dumps(manifest)).encode()
        index = {"schemaVersion": 2, "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json",
                 "digest": digest(text), "size": len(text), **self.index_changes}]}
        files = {"oci-layout": self.marker.encode(), "index.json": (self.index_text or json.dumps(index)).encode()}
        for kind, data in (("config", config), ("manifest", text), ("layer", self.layer)):
            if kind not in self.drop:
                files["blobs/sha256/" + digest(data)[7:]] = self.replace.get(kind, lambda d: d)(data)
        return files

    def write(self, name):
        directory = TOP / (name + ".oci")
        for path, data in self.files().items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_bytes(data)


def case(name, **changes):
    image = Image(changes.pop("plain", GOOD), changes.pop("compress", gzip))
    for key, value in changes.items():
        setattr(image, key, value)
    image.write(name)


def layer_case(name, body, end=EMPTY_END):
    case(name, plain=body + end)


def flip(data):
    return data[:len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1:]


case("good")
case("config-flipped", replace={"config": flip})
case("manifest-flipped", replace={"manifest": flip})
case("layer-flipped", replace={"layer": flip})
case("layer-truncated", replace={"layer": lambda d: d[:-9]})
case("layer-longer", replace={"layer": lambda d: d + b"x"})
case("layer-missing", drop={"layer"})
case("config-missing", drop={"config"})
case("wrong-diff-id", config={**Image().config, "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "1" * 64]}})
case("too-many-diff-ids", config={**Image().config, "rootfs": {"type": "layers", "diff_ids": [Image().diff_id] * 2}})
case("duplicate-keys", config_text='{"os":"linux","os":"linux","architecture":"amd64"}')
case("not-json", manifest_text="{")
case("deep-json", config_text="[" * 5000 + "]" * 5000)
case("manifest-with-manifests", manifest_changes={"manifests": []})
case("manifest-says-index", manifest_changes={"mediaType": "application/vnd.oci.image.index.v1+json"})
case("digest-traversal", layer_changes={"digest": "sha256:../../../../etc/passwd"})
case("digest-blake3", layer_changes={"digest": "blake3:" + "0" * 64})
case("size-negative", layer_changes={"size": -1})
case("size-absurd", layer_changes={"size": 2**70})
case("size-wrong", layer_changes={"size": 5})
case("layer-media-type", layer_changes={"mediaType": "text/plain"})
case("schema-version", manifest_changes={"schemaVersion": 1})
case("no-layout-version", marker="{}")
case("no-images", index_text='{"schemaVersion":2,"manifests":[]}')
layer_case("path-traversal", entry("a/../../etc/passwd", data=b"x"))
layer_case("link-outside", entry("a", tarfile.LNKTYPE, link="../../etc/passwd"))
layer_case("link-to-nothing", entry("a", tarfile.LNKTYPE, link="b"))
layer_case("link-with-data", entry("etc/name", data=b"x") + raw_header(b"a", b"00000000005\0", b"1", b"etc/name") + b"hello" + bytes(507))
layer_case("root-is-a-link", entry(".", tarfile.SYMTYPE, link="/etc"))
layer_case("name-with-nul", pax([record(b"path", b"etc/a\0b")], raw_header()))
layer_case("wrong-checksum", raw_header(checksum=b"000000\0 "))
layer_case("size-overflows", raw_header(size=b"\xff" * 12))
layer_case("size-beyond-the-end", raw_header(size=b"77777777777\0"))
layer_case("uid-overflows", raw_header(uid=b"\x80\0\0\xff\xff\xff\xff"))
layer_case("cut-off", entry("etc/name", data=b"x" * 1000)[:700], b"")
layer_case("pax-malformed", pax([b"99999 path=a\n"], raw_header()))
layer_case("pax-size-lies", pax([record(b"size", b"12x")], raw_header()))
layer_case("pax-too-large", raw_header(b"p", b"00100000000\0", b"x") + bytes(1024))
layer_case("holes-without-map", pax([record(b"GNU.sparse.major", b"1")], raw_header()))
layer_case("holes-outside", pax([record(b"GNU.sparse.size", b"9"), record(b"GNU.sparse.map", b"8,5")], raw_header()))
layer_case("holes-bomb", pax([record(b"GNU.sparse.size", b"9000000000"), record(b"GNU.sparse.map", b"8,5")], raw_header(size=b"00000000005\0")) + b"hello".ljust(512, b"\0"))
layer_case("holes-overlap", pax([record(b"GNU.sparse.size", b"9"), record(b"GNU.sparse.map", b"0,3,2,2")], raw_header()))
layer_case("global-path", raw_header(b"g", b"%011o\0" % len(record(b"path", b"x")), b"g") + record(b"path", b"x").ljust(512, b"\0") + raw_header())
layer_case("unknown-type", raw_header(kind=b"Z"))
layer_case("bare-whiteout", entry("etc/.wh.", data=b""))
layer_case("file-as-directory", entry("etc/name", data=b"x") + entry("etc/name/below", data=b"x"))
layer_case("link-loop", entry("l", tarfile.SYMTYPE, link="l") + entry("l/x", data=b"x"))
case("gzip-cut-off", compress=lambda d: gzip(d)[:-12], media="application/vnd.oci.image.layer.v1.tar+gzip")
case("zstd-damaged", compress=lambda d: flip(subprocess.run(["zstd", "-q"], input=d + os.urandom(0) + d * 40, stdout=subprocess.PIPE, check=True).stdout),
     media="application/vnd.oci.image.layer.v1.tar+zstd")
(TOP / "not-a-tar.tar").write_bytes(b"hello" * 1000)
(TOP / "empty.tar").write_bytes(b"")
with tarfile.open(TOP / "docker-no-manifest.tar", "w") as archive:
    archive.addfile(tarfile.TarInfo("nothing"), io.BytesIO())
(TOP / "plain-directory.oci").mkdir()
