#!/usr/bin/env python3
"""Fills a repository for the tests of prune, pushes to it meanwhile, and stands between prune and the registry.

  fill URL                 many tags over few images, indexes, signatures, lists of referrers
  small URL                    a few images, one with two names, one with a signature that names it as subject
  events URL PLAN.json         chooses what comes meanwhile: tags and an index that need what the plan deletes
  push URL SECONDS         new images under keep-N, and new indexes over them, until the time is over; prints what it pushed
  proxy PORT URL MODE DIR  passes everything on; MODE says what happens on the way:
      late     tags and an index come that need what prune is about to delete
      untag    DELETE of a tag deletes the tag alone (DIR is the registry's directory of tags)
      wrong    DELETE of a tag deletes the image, which it must not
      referrers  GET of referrers is answered, from what the repository holds
"""
import concurrent.futures
import hashlib
import http.client
import http.server
import json
import os
import shutil
import socketserver
import sys
import threading
import time
import urllib.parse

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
ANY = ", ".join([MANIFEST, INDEX])
local = threading.local()


def ask(url, method, path, body=None, headers=None):
    place = urllib.parse.urlsplit(url)
    for attempt in (1, 2):
        if getattr(local, "host", None) != place.netloc:
            local.connection, local.host = http.client.HTTPConnection(place.netloc, timeout=30), place.netloc
        try:
            local.connection.request(method, path if path.startswith("/") else path, body, headers or {})
            answer = local.connection.getresponse()
            return answer.status, dict((k.lower(), v) for k, v in answer.getheaders()), answer.read()
        except (http.client.HTTPException, OSError):
            local.host = None
            if attempt == 2:
                raise


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def put_blob(url, data):
    repository = urllib.parse.urlsplit(url).path
    status, headers, _ = ask(url, "POST", f"/v2{repository}/blobs/uploads/")
    assert status == 202, status
    place = urllib.parse.urlsplit(headers["location"])
    query = (place.query + "&" if place.query else "") + "digest=" + urllib.parse.quote(digest_of(data))
    status, _, body = ask(url, "PUT", place.path + "?" + query, data, {"Content-Type": "application/octet-stream"})
    assert status == 201, (status, body)
    return {"digest": digest_of(data), "size": len(data)}


def put_manifest(url, name, document, kind=MANIFEST):
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    repository = urllib.parse.urlsplit(url).path
    status, _, body = ask(url, "PUT", f"/v2{repository}/manifests/{name or digest_of(data)}", data, {"Content-Type": kind})
    assert status == 201, (status, body)
    return {"mediaType": kind, "digest": digest_of(data), "size": len(data)}


def rfc3339(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class Repository:
    def __init__(self, url):
        self.url = url
        self.layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar", **put_blob(url, b"\0" * 1024)}
        self.empty = {"mediaType": "application/vnd.oci.empty.v1+json", **put_blob(url, b"{}")}

    def image(self, number, created, annotated, tag=None, architecture="amd64"):
        config = {"created": rfc3339(created), "architecture": architecture, "os": "linux",
                  "config": {"Labels": {"n": str(number)}}, "rootfs": {"type": "layers", "diff_ids": [self.layer["digest"]]}}
        blob = put_blob(self.url, json.dumps(config).encode())
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": {"mediaType": CONFIG, **blob}, "layers": [self.layer]}
        if annotated is not None:
            manifest["annotations"] = {"org.opencontainers.image.created": rfc3339(annotated)}
        data = json.dumps(manifest).encode()
        entry = put_manifest(self.url, tag, data)
        return entry, data

    def index(self, children, tag, annotated=None):
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": children}
        if annotated is not None:
            index["annotations"] = {"org.opencontainers.image.created": rfc3339(annotated)}
        data = json.dumps(index).encode()
        return put_manifest(self.url, tag, data, INDEX), data

    def attached(self, subject, suffix):
        """As cosign's classic form: an image without a time under a tag made of the digest."""
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": self.empty, "layers": [self.layer],
                    "annotations": {"of": subject["digest"], "form": suffix}}
        return put_manifest(self.url, subject["digest"].replace(":", "-") + suffix, manifest)

    def referrer(self, subject, kind):
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind, "config": self.empty, "layers": [self.layer],
                    "subject": subject}
        return {**put_manifest(self.url, None, manifest), "artifactType": kind}

    def list(self, subject, entries):
        return put_manifest(self.url, subject["digest"].replace(":", "-"), {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}, INDEX)


def fill(url):
    now = int(time.time())
    day = 86400
    repository = Repository(url)
    pool = concurrent.futures.ThreadPoolExecutor(8)
    # Number 36 and above are reproducible: neither the config nor an annotation tells the time.
    made = list(pool.map(lambda i: repository.image(i, 0 if i >= 36 or i % 2 else now - i * day, now - i * day if i % 2 and i < 36 else None), range(44)))
    tags = [(f"v{1 + i // 10}.{i % 10}.0", made[i % 36]) for i in range(40)]
    tags += [(f"v{1 + i}.9.0-rc.{i}", made[(i * 7) % 36]) for i in range(10)]
    tags += [(f"1.{i}.{i}", made[(i * 5) % 36]) for i in range(10)]
    tags += [(f"nightly-{i}", made[i % 36]) for i in range(45)]
    tags += [(f"repro-{i}", made[36 + i % 6]) for i in range(8)] + [("other-repro", made[42]), ("old-repro", made[43])]
    tags += [(f"pr-{i}", made[(i * 11 + 3) % 36]) for i in range(45)]
    tags += [(f"keep-{i}", made[30 + i % 3]) for i in range(5)] + [("latest", made[0]), ("v5", made[29]), ("vNext", made[34])]
    list(pool.map(lambda tag: put_manifest(url, tag[0], tag[1][1]), tags))

    # Indexes: some children are shared between one that stays and one that goes, some have a tag of their own.
    def children(i):
        return [dict(repository.image(f"c{n}", now - i * day, None, None, arch)[0], platform={"os": "linux", "architecture": arch})
                for n, arch in ((i, "amd64"), (i // 2, "arm64"))]
    indexes = list(pool.map(lambda i: repository.index(children(i), f"nightly-multi-{i * 4}", now - i * 4 * day), range(8)))
    repository.image("c6", now - 6 * day, None, "keep-child", "amd64")
    # Signatures of indexes and images by tags; SBOMs and their signatures as referrers in lists.
    subjects = [made[i][0] for i in range(0, 44, 2)] + [one[0] for one in indexes]
    list(pool.map(lambda one: repository.attached(one, ".sig"), subjects))
    list(pool.map(lambda one: repository.attached(one, ".att"), subjects[::3]))

    def refer(subject):
        sbom = repository.referrer(subject, "application/spdx+json")
        signature = repository.referrer(sbom, "application/vnd.dev.sigstore.bundle.v0.3+json")
        repository.list(sbom, [signature])
        repository.list(subject, [sbom, repository.referrer(subject, "text/plain")])
        repository.attached(sbom, ".sig")
        return sbom
    sboms = list(pool.map(refer, [made[i][0] for i in range(1, 44, 4)] + [one[0] for one in indexes[::2]]))
    # A referrer with a name of its own stays when its subject goes, and then in its subject's list.
    status, _, data = ask(url, "GET", f"/v2{urllib.parse.urlsplit(url).path}/manifests/{sboms[8]['digest']}", None, {"Accept": ANY})
    assert status == 200
    put_manifest(url, "keep-sbom", data)
    # What belongs to something that never was here.
    repository.attached({"digest": "sha256:" + "ab" * 32}, ".sig")


def small(url):
    now = int(time.time())
    repository = Repository(url)
    for number, names in enumerate((("v1.0.0", "old"), ("v1.1.0",), ("v1.2.0", "also-old"))):
        entry, data = repository.image(number, now, None)
        for name in names:
            put_manifest(url, name, data)
        referrers = [repository.referrer(entry, "application/spdx+json")]
        referrers.append(repository.referrer(referrers[0], "text/plain"))
        for subject, one in zip((entry, referrers[0]), referrers):
            print(json.dumps({"subject": subject["digest"], "entry": one}))


def events(url, plan_path):
    plan = json.load(open(plan_path))
    named = {one["digest"]: one for one in plan["tags"] if one["decision"] == "delete" and one["tag"].startswith(("pr-", "nightly-"))}
    images = [one for one in plan["deletions"] if one in named]
    untagged = {one["digest"] for one in plan["manifests"] if one["decision"] == "delete" and one["created"]} - {one["digest"] for one in plan["tags"]}
    path = f"/v2{urllib.parse.urlsplit(url).path}/manifests/"
    read = lambda digest: ask(url, "GET", path + digest, None, {"Accept": ANY})

    def event(when, count, tag, digest):
        _, headers, data = read(digest)
        return {"when": when, "count": count, "tag": tag, "bytes": data.decode(), "kind": headers["content-type"]}
    child = sorted(untagged)[0]
    _, headers, data = read(child)
    entry = {"mediaType": MANIFEST, "digest": child, "size": len(data), "platform": {"os": "linux", "architecture": "amd64"}}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
    print(json.dumps([event("list", 2, "late-first", images[0]),
                      {"when": "list", "count": 2, "tag": "late-index", "bytes": json.dumps(index), "kind": INDEX},
                      event("delete", 3, "late-last", images[-1])]))


def push(url, seconds):
    repository = Repository(url)
    until = time.monotonic() + seconds
    pushed = {}
    number = 0
    while time.monotonic() < until:
        entry, _ = repository.image(f"new{number}", 0, None, f"keep-new-{number}")
        pushed[f"keep-new-{number}"] = entry["digest"]
        entry, _ = repository.index([dict(entry, platform={"os": "linux", "architecture": "amd64"})], f"new-index-{number}")
        pushed[f"new-index-{number}"] = entry["digest"]
        number += 1
        time.sleep(0.1)
    print(json.dumps(pushed))


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    lists = 0
    deletes = 0
    late = None  # [(when, how many, tag, bytes, kind)]
    lock = threading.Lock()

    def log_message(self, *_):
        pass

    def handle_one(self):
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size) if size else None
        with Proxy.lock:
            self.happen()
        answer = self.special()
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
        status, got, data = answer or ask(self.url, self.command, self.path, body, headers)
        self.send_response(status)
        for name, value in got.items():
            if name not in ("connection", "transfer-encoding", "content-length", "date"):
                self.send_header(name, value)
        self.send_header("Content-Length", got.get("content-length", "0") if self.command == "HEAD" else str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = handle_one

    def happen(self):
        if self.mode != "late":
            return
        if self.path.endswith("/tags/list"):
            Proxy.lists += 1
        if self.command == "DELETE":
            Proxy.deletes += 1
        for event in json.load(open(self.directory)):
            at = Proxy.lists if event["when"] == "list" else Proxy.deletes
            if at == event["count"] and not os.path.exists(self.directory + event["tag"]):
                open(self.directory + event["tag"], "w").close()
                kind = event["kind"]
                put_manifest(self.url, event["tag"], event["bytes"].encode(), kind)

    def special(self):
        name = self.path.rsplit("/", 1)[-1]
        if self.command == "DELETE" and not name.startswith("sha256:") and self.mode in ("untag", "wrong"):
            if self.mode == "untag":
                shutil.rmtree(os.path.join(self.directory, name))
                return 202, {}, b""
            _, headers, _ = ask(self.url, "HEAD", self.path, None, {"Accept": ANY})
            return ask(self.url, "DELETE", self.path.rsplit("/", 1)[0] + "/" + headers["docker-content-digest"])
        if self.mode == "lost" and self.command in ("GET", "HEAD") and name == self.directory and "/manifests/" in self.path:
            return 404, {}, b""
        if self.mode == "later" and self.command == "DELETE":
            return 202, {}, b""
        if self.command == "GET" and "/referrers/" in self.path and self.mode == "referrers":
            entries = [one for one in json.load(open(self.directory)) if one["subject"] == name]
            index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [one["entry"] for one in entries]}
            return 200, {"content-type": INDEX}, json.dumps(index).encode()
        return None


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 64


def proxy(port, url, mode, directory):
    Proxy.url, Proxy.mode, Proxy.directory = url, mode, directory
    Server(("127.0.0.1", int(port)), Proxy).serve_forever()


if __name__ == "__main__":
    {"fill": fill, "small": small, "events": events, "push": lambda u, s: push(u, float(s)), "proxy": proxy}[sys.argv[1]](*sys.argv[2:])
