#!/usr/bin/env python3
"""Validates an OCI layout from its bytes, with nothing of minibuild's: digests, sizes, diff ids, history, and the rules
of layers (parents present, no path twice, links to earlier files of the same layer, fixed owners' names)."""
import gzip
import hashlib
import io
import json
import pathlib
import subprocess
import sys
import tarfile


def unique(pairs):
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), f"duplicate keys in {keys}"
    return dict(pairs)


class Layout:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        marker = json.loads((self.directory / "oci-layout").read_text())
        assert marker == {"imageLayoutVersion": "1.0.0"}, marker
        self.referenced = set()

    def blob(self, descriptor):
        algorithm, digest = descriptor["digest"].split(":")
        assert algorithm == "sha256" and len(digest) == 64
        data = (self.directory / "blobs" / "sha256" / digest).read_bytes()
        assert len(data) == descriptor["size"], f"{digest}: {len(data)} bytes, want {descriptor['size']}"
        assert hashlib.sha256(data).hexdigest() == digest, f"{digest}: wrong content"
        self.referenced.add(digest)
        return data

    def document(self, descriptor):
        return json.loads(self.blob(descriptor), object_pairs_hook=unique)

    def validate(self):
        index = json.loads((self.directory / "index.json").read_text(), object_pairs_hook=unique)
        assert index["schemaVersion"] == 2 and index["manifests"]
        for entry in index["manifests"]:
            self.entry(entry)
        present = {path.name for path in (self.directory / "blobs" / "sha256").iterdir()}
        assert present == self.referenced, f"blobs that nothing refers to: {present - self.referenced}"

    def entry(self, entry):
        document = self.document(entry)
        assert document["mediaType"] == entry["mediaType"]
        if "index" in entry["mediaType"]:
            for inner in document["manifests"]:
                assert inner["platform"]["os"] and inner["platform"]["architecture"]
                self.entry(inner)
            return
        tag = entry.get("annotations", {}).get("org.opencontainers.image.ref.name", "")
        if "subject" in document or tag.startswith("sha256-"):  # it belongs to an image and is none
            for descriptor in [document["config"], *document["layers"]]:
                self.blob(descriptor)
            return
        self.image(document)

    def image(self, manifest):
        config = self.document(manifest["config"])
        diff_ids = config["rootfs"]["diff_ids"]
        assert config["rootfs"]["type"] == "layers"
        assert len(diff_ids) == len(manifest["layers"]) > 0
        filled = [entry for entry in config["history"] if not entry.get("empty_layer")]
        assert len(filled) == len(diff_ids), "history does not match the layers"
        user = config["config"]["User"].split(":")
        assert all(part.isdigit() for part in user), config["config"]["User"]
        for descriptor, diff_id in zip(manifest["layers"], diff_ids):
            data = self.blob(descriptor)
            kind = descriptor["mediaType"].rsplit(".", 1)[-1]
            if kind == "tar+zstd":
                assert data[:4] == b"\x28\xb5\x2f\xfd", "does not begin with a zstd frame"
                plain = subprocess.run(["zstd", "-dcq"], input=data, stdout=subprocess.PIPE, check=True).stdout
            elif kind == "tar+gzip":
                plain = gzip.decompress(data)
            else:
                assert kind == "tar", kind
                plain = data
            assert "sha256:" + hashlib.sha256(plain).hexdigest() == diff_id, "wrong diff id"
            self.layer(plain)

    @staticmethod
    def layer(plain):
        assert len(plain) % 512 == 0 and plain.endswith(bytes(1024))
        seen = {}
        for member in tarfile.open(fileobj=io.BytesIO(plain)):
            name = member.name.rstrip("/")
            assert name and not name.startswith(("/", "./")) and ".." not in name.split("/"), name
            assert name not in seen, f"{name} is there twice"
            assert member.uname == "" and member.gname == "", f"{name} has owner names"
            parent = name.rpartition("/")[0]
            assert not parent or seen.get(parent) == tarfile.DIRTYPE, f"{name} comes before its parent"
            base = name.rpartition("/")[2]
            if base.startswith(".wh."):
                assert member.size == 0 and base != ".wh."
                assert (parent + "/" if parent else "") + base[4:] not in seen, f"{name} hides what is beside it"
            if member.islnk():
                assert member.linkname in seen and member.size == 0, f"{name} links to nothing"
            seen[name] = member.type
        return seen


if __name__ == "__main__":
    for directory in sys.argv[1:]:
        Layout(directory).validate()
