#!/usr/bin/env python3
"""make_graphs.py DIRECTORY: OCI layouts and archives of `docker save`, byte by byte, as other tools write them. Standard
library only; what each holds is said at its function."""
import hashlib
import io
import json
import os
import sys
import tarfile

OCI = "application/vnd.oci.image."
MANIFEST, INDEX, CONFIG, LAYER = (OCI + x for x in ("manifest.v1+json", "index.v1+json", "config.v1+json", "layer.v1.tar"))


def layer(**files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


class Layout:
    """A layout whose blobs are named by SHA-256, or by another algorithm where that is said."""

    def __init__(self):
        self.blobs = {}
        self.entries = []

    def blob(self, content, media_type, algorithm="sha256", **more):
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        digest = algorithm + ":" + hashlib.new(algorithm, content).hexdigest()
        self.blobs[digest] = content
        return {"mediaType": media_type, "digest": digest, "size": len(content), **more}

    def manifest(self, config, layers, algorithm="sha256", **more):
        content = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers, **more}
        return self.blob(content, MANIFEST, algorithm)

    def image(self, text, arch="amd64", variant="", algorithm="sha256", config=CONFIG, platform=True, said=None):
        """One layer with a file `f`; `said` is the platform that its descriptor says, else that of the config."""
        tar = layer(f=text)
        machine = {"os": "linux", "architecture": arch, **({"variant": variant} if variant else {})}
        document = {**machine, "config": {}, "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(tar).hexdigest()]}}
        made = self.manifest(self.blob(document, config, algorithm), [self.blob(tar, LAYER, algorithm)], algorithm)
        if platform:
            made["platform"] = said or machine
        return made

    def attestation(self, subject):
        statement = self.blob({"_type": "https://in-toto.io/Statement/v0.1"}, "application/vnd.in-toto+json")
        config = self.blob({"os": "unknown", "architecture": "unknown", "config": {}, "rootfs": {"type": "layers", "diff_ids": [statement["digest"]]}}, CONFIG)
        made = self.manifest(config, [statement])
        made["platform"] = {"os": "unknown", "architecture": "unknown"}
        made["annotations"] = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": subject["digest"]}
        return made

    def artifact(self):
        made = self.manifest(self.blob({}, "application/vnd.oci.empty.v1+json"), [self.blob(b"chart", "application/vnd.cncf.helm.chart.content.v1.tar+gzip")],
                             artifactType="application/x.thing")
        made["artifactType"] = "application/x.thing"
        return made

    def index(self, entries, algorithm="sha256", **more):
        return self.blob({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries, **more}, INDEX, algorithm)

    def name(self, descriptor, tag=None, **annotations):
        annotations = {**descriptor.get("annotations", {}), **annotations, **({"org.opencontainers.image.ref.name": tag} if tag else {})}
        self.entries.append({**descriptor, **({"annotations": annotations} if annotations else {})})

    def write(self, directory):
        for digest, content in self.blobs.items():
            path = os.path.join(directory, "blobs", *digest.split(":"))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(content)
        with open(os.path.join(directory, "oci-layout"), "w") as file:
            file.write('{"imageLayoutVersion":"1.0.0"}')
        with open(os.path.join(directory, "index.json"), "w") as file:
            json.dump({"schemaVersion": 2, "mediaType": INDEX, "manifests": self.entries}, file)


def whole():
    """An index with everything in it: images, BuildKit's attestation, an artifact, a nested index, an entry without a platform,
    a blob of its own. Tags: all, manifests (without that blob, which distribution 3 takes for a missing manifest), buildkit (what BuildKit makes), its parts by name."""
    it = Layout()
    amd64, arm64 = it.image("amd64"), it.image("arm64", "arm64")
    nested = it.index([it.image("arm6", "arm", "v6"), it.image("arm5", "arm", "v5")])
    bare = it.image("riscv", "riscv64", platform=False)
    entries = [amd64, arm64, it.attestation(amd64), it.artifact(), nested, bare, it.blob(b"just bytes", "application/octet-stream")]
    it.name(it.index(entries), "all")
    it.name(it.index(entries[:-1]), "manifests")
    it.name(it.index([amd64, arm64, it.attestation(amd64)]), "buildkit")
    it.name(it.artifact(), "artifact")
    it.name(it.attestation(amd64), "attestation")
    return it


def referred():
    """An image (tag 1) that an index has as its subject, and an artifact in that index another index."""
    it = Layout()
    image, artifact = it.image("one"), it.artifact()
    plain = lambda one: {key: one[key] for key in ("mediaType", "digest", "size")}
    it.name(image, "1")
    it.name(it.index([artifact, it.index([it.image("six", "arm", "v6")])], artifactType="application/x.list", annotations={"by": "index"}, subject=plain(image)))
    it.name(it.index([plain(image)], subject=plain(artifact)))
    return it


def sha512():
    """Content that is named by SHA-512: of one image layer and config (tag blobs), of another all (tag all), and an index with
    another in it (tag top)."""
    it = Layout()
    tar = layer(f="long")
    config = {"os": "linux", "architecture": "amd64", "config": {}, "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(tar).hexdigest()]}}
    it.name(it.manifest(it.blob(config, CONFIG, "sha512"), [it.blob(tar, LAYER, "sha512")]), "blobs")
    it.name(it.index([it.image("all", algorithm="sha512"), it.image("arm", "arm64")]), "all")
    it.name(it.index([it.image("all", algorithm="sha512"), it.index([it.image("arm", "arm64")])], "sha512"), "top")
    return it


def flat():
    """index.json lists one image for several platforms and names none."""
    it = Layout()
    for arch in ("amd64", "arm64"):
        it.name(it.image(arch, arch))
    return it


def rivals():
    """index.json names neither of two images for the same platform, though they say it in two ways."""
    it = Layout()
    it.name(it.image("one"))
    it.name(it.image("two", said={"os": "linux", "architecture": "x86_64", "variant": "v1"}))
    return it


def together():
    """Two entries with one name, told apart by their platforms; and whole names as containerd writes them."""
    it = Layout()
    for arch in ("amd64", "arm64"):
        it.name(it.image(arch, arch), "1")
    it.name(it.image("busybox"), "latest", **{"io.containerd.image.name": "docker.io/library/busybox:latest"})
    return it


def preferred():
    """Which of several is for linux/amd64/v3, and which are none: tags of indexes; the file says `this` in the right one."""
    it = Layout()
    this, v3 = it.image("this"), {"os": "linux", "architecture": "amd64", "variant": "v3"}
    other = it.image("other", variant="v3")
    bare = {key: value for key, value in other.items() if key != "platform"}
    it.name(it.index([bare, this]), "unsaid-last")
    it.name(it.index([it.index([other]), this]), "nested-last")
    it.name(it.index([{**other, "platform": {**v3, "os.features": ["x"]}}, this]), "features-last")
    it.name(it.index([{**it.artifact(), "platform": v3}, {**it.artifact(), "platform": v3, "artifactType": ""}, this]), "artifacts-never")
    it.name(it.index([it.image("other", variant="v4"), it.image("other", variant="2"), it.image("other", said={"os": "linux", "architecture": "arm64"}), this]), "unfit-never")
    it.name(it.index([it.image("other", said={"os": "windows", "architecture": "amd64"}), it.image("this", said={"architecture": "amd64"})]), "no-system")
    it.name(it.index([it.image("other", "arm64", platform=False), it.image("this", said={"os": "linux"})]), "half")
    it.name(it.index([{**this, "artifactType": CONFIG}]), "type-of-an-image")
    it.name(it.index([{key: value for key, value in this.items() if key != "mediaType"}]), "untyped")
    it.name({**it.index([this]), "platform": {"os": "linux", "architecture": "arm64"}}, "said-of-the-whole")
    gone = {"mediaType": MANIFEST, "size": 3, "digest": "sha256:" + "a" * 64}
    it.name(it.index([{**gone, "platform": {"os": "linux", "architecture": "amd64"}}, gone, it.image("this", variant="v3")]), "not-read")
    return it


def repeated():
    """Indexes that name each other fifty times each, six deep, and in the end nothing."""
    it = Layout()
    one = it.index([])
    for _ in range(6):
        one = it.index([one] * 50)
    it.name(one, "1")
    return it


def odd():
    """What only describes is wrong or missing: tags of one image each."""
    it = Layout()
    tar = layer(f="odd")
    good = {"os": "linux", "architecture": "amd64", "config": {}, "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(tar).hexdigest()]}}
    changes = {
        "history-none": {"history": None}, "history-short": {"history": []}, "history-long": {"history": [{"created_by": "x"}] * 9},
        "history-odd": {"history": [1, {"created": 5, "empty_layer": "no"}]}, "history-map": {"history": {}},
        "rootfs-type": {"rootfs": {**good["rootfs"], "type": "blobs"}}, "no-rootfs-type": {"rootfs": {"diff_ids": good["rootfs"]["diff_ids"]}},
        "labels": {"config": {"Labels": {"a": None, "b": 1}, "Env": ["A", "B=c"]}}, "created": {"created": None, "author": {}},
        "null-config": {"config": None}}
    for tag, change in changes.items():
        it.name(it.manifest(it.blob({**good, **change}, CONFIG), [it.blob(tar, LAYER)]), tag)
    for tag, media_type in {"docker-zstd": "application/vnd.docker.image.rootfs.diff.tar.zstd", "plain-as-gzip": LAYER + "+gzip",
                            "foreign": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"}.items():
        it.name(it.manifest(it.blob(good, CONFIG), [it.blob(tar, media_type)]), tag)
    it.name(it.manifest(it.blob(good, "application/octet-stream"), [it.blob(tar, LAYER)]), "config-type")
    it.name({**it.index([it.image("odd")]), "mediaType": MANIFEST}, "index-as-manifest")
    it.name(it.image("odd", config="application/vnd.docker.container.image.v1+json"), "docker-config")
    return it


def saved(path, images):
    """What `docker save` writes of images: {text: names}."""
    with tarfile.open(path, "w") as tar:
        def put(name, content):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))

        listed = []
        for text, names in images.items():
            content = layer(f=text)
            put(text + "/layer.tar", content)
            put(text + ".json", json.dumps({"os": "linux", "architecture": "amd64", "config": {}, "rootfs": {
                "type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(content).hexdigest()]}}).encode())
            listed.append({"Config": text + ".json", "RepoTags": names, "Layers": [text + "/layer.tar"]})
        put("manifest.json", json.dumps(listed).encode())


def main():
    os.chdir(sys.argv[1])
    for make in (whole, referred, sha512, flat, rivals, together, preferred, repeated, odd):
        make().write(make.__name__)
    saved("one.tar", {"one": ["r.example/one:1", "one:latest"]})
    saved("two.tar", {"a": ["a:1"], "b": ["r.example:5000/b:2"]})
    saved("nameless.tar", {"a": None, "b": []})


if __name__ == "__main__":
    main()
