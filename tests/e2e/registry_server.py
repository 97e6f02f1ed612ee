"""A small registry in memory that fails on request: the distribution protocol with tokens, and faults by name.

  registry_server.py PORTFILE [CERT KEY]

Writes two ports into PORTFILE: the registry's, and that of another host for redirects and tokens. Faults are set by
POST /_fault with {"match": REGEX over "METHOD PATH", "times": N, "do": NAME, …}; GET /_log lists the requests.
"""
import hashlib
import http.server
import json
import os
import re
import ssl
import sys
import threading
import time

BLOBS = {}
MANIFESTS = {}
UPLOADS = {}
FAULTS = []
LOG = []
MODE = {"auth": "none", "uses": 0}
LOCK = threading.Lock()
TOKENS = {}


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    other = False

    def log_message(self, *args):
        pass

    def fault(self):
        name = f"{self.command} {self.path}"
        with LOCK:
            for one in FAULTS:
                if one["times"] > 0 and re.search(one["match"], name):
                    one["times"] -= 1
                    return one
        return {"do": ""}

    def note(self, status):
        with LOCK:
            LOG.append({"host": "other" if self.other else "registry", "method": self.command, "path": self.path,
                        "status": status, "auth": (self.headers.get("Authorization") or "").split(" ")[0],
                        "range": self.headers.get("Range")})

    def answer(self, status, body=b"", headers=None, length=None):
        self.note(status)
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def hang_up(self):
        self.close_connection = True
        try:
            self.connection.shutdown(2)
        except OSError:
            pass

    def error(self, status, code, headers=None):
        self.answer(status, json.dumps({"errors": [{"code": code, "message": code.lower().replace("_", " ")}]}).encode(), headers)

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def allowed(self):
        if MODE["auth"] == "none" or self.other:
            return True
        sent = self.headers.get("Authorization") or ""
        if MODE["auth"] == "basic":
            if sent == "Basic dXNlcjpwYXNz":  # user:pass
                return True
            self.error(401, "UNAUTHORIZED", {"WWW-Authenticate": 'Basic realm="registry"'})
            return False
        token = sent.removeprefix("Bearer ")
        with LOCK:
            left = TOKENS.get(token, 0)
            TOKENS[token] = left - 1
        if left > 0:
            return True
        host = self.headers["Host"]
        realm = MODE.get("realm") or f"{MODE['scheme']}://{host}/token"
        self.error(401, "UNAUTHORIZED", {"WWW-Authenticate": f'Bearer realm="{realm}",service="test"'})
        return False

    def handle_any(self):
        if self.path == "/_fault":
            fault = json.loads(self.body())
            with LOCK:
                if fault.get("clear"):
                    FAULTS.clear()
                    LOG.clear()
                    MODE.update({"auth": "none", "uses": 10 ** 6, "realm": None})
                MODE.update({k: fault[k] for k in ("auth", "uses", "realm") if k in fault})
                if "match" in fault:
                    FAULTS.append({"times": 1, **fault})
            return self.send_plain(b"")
        if self.path == "/_log":
            return self.send_plain(json.dumps(LOG).encode())
        if self.path.startswith("/token"):
            data = self.body()
            with LOCK:
                name = f"token-{len(TOKENS)}"
                TOKENS[name] = MODE["uses"]
                LOG.append({"host": "other" if self.other else "registry", "method": self.command, "path": "/token",
                            "status": 200, "auth": (self.headers.get("Authorization") or "").split(" ")[0],
                            "range": None, "form": data.decode()})
            return self.send_plain(json.dumps({"token": name}).encode())
        fault = self.fault()
        do = fault["do"]
        if do == "status":
            self.body()
            return self.error(fault["status"], fault.get("code", "UNKNOWN"), fault.get("headers"))
        if do == "redirect":
            return self.answer(307, b"", {"Location": fault["to"].replace("$PATH", self.path)})
        if do == "reset":
            self.note(0)
            return self.hang_up()
        if not self.allowed():
            if self.command in ("PUT", "POST", "PATCH"):
                self.close_connection = True
            return None
        path = self.path.partition("?")[0]
        query = dict(part.partition("=")[::2] for part in self.path.partition("?")[2].split("&"))
        if path == "/v2/":
            return self.answer(200, b"{}")
        found = re.fullmatch(r"/v2/(.+?)/(manifests|blobs/uploads|blobs|tags|referrers)/(.*)", path)
        if not found:
            return self.error(404, "NAME_UNKNOWN")
        name, kind, what = found.groups()
        if kind == "manifests":
            return self.manifest(name, what, fault)
        if kind == "tags":
            return self.tags(name, query)
        if kind == "referrers":
            return self.referrers(name, what, query)
        if kind == "blobs/uploads":
            return self.upload(name, what, query, fault)
        return self.blob(what, fault)

    def send_plain(self, data):
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def tags(self, name, query):
        tags = sorted(tag for tag in MANIFESTS.get(name, {}) if not tag.startswith("sha256:"))
        rest = [tag for tag in tags if tag > query.get("last", "")]
        headers = {"Link": f'</v2/{name}/tags/list?n=2&last={rest[1]}>; rel="next"'} if len(rest) > 2 else None
        return self.answer(200, json.dumps({"name": name, "tags": rest[:2]}).encode(), headers)

    def referrers(self, name, subject, query):
        """Those that name the subject, one a page."""
        found = {digest(data): data for kind, data in MANIFESTS.get(name, {}).values()
                 if json.loads(data).get("subject", {}).get("digest") == subject}
        rest = [key for key in sorted(found) if key > query.get("last", "")]
        entries = [{"mediaType": OCI_MANIFEST, "digest": key, "size": len(found[key])} for key in rest[:1]]
        more = {"Link": f'</v2/{name}/referrers/{subject}?last={rest[0]}>; rel="next"'} if len(rest) > 1 else {}
        body = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries}
        return self.answer(200, json.dumps(body).encode(), {"Content-Type": body["mediaType"], **more})

    def manifest(self, name, what, fault):
        if self.command == "PUT":
            data = self.body()
            document = json.loads(data)
            needs = [document[key]["digest"] for key in ("config",) if key in document]
            needs += [layer["digest"] for layer in document.get("layers", [])]
            for need in needs:
                if need not in BLOBS:
                    return self.error(400, "MANIFEST_BLOB_UNKNOWN")
            for child in document.get("manifests", []):
                if child["digest"] not in MANIFESTS.get(name, {}):
                    return self.error(400, "MANIFEST_UNKNOWN")
            for key in (what, digest(data)):
                MANIFESTS.setdefault(name, {})[key] = (self.headers["Content-Type"], data)
            subject = {"OCI-Subject": document["subject"]["digest"]} if "subject" in document else {}
            return self.answer(201, b"", {"Docker-Content-Digest": digest(data), **subject})
        if what not in MANIFESTS.get(name, {}):
            return self.error(404, "MANIFEST_UNKNOWN")
        kind, data = MANIFESTS[name][what]
        said = digest(data)
        do = fault["do"]
        if do == "endless":
            return self.chunks(200, (b"x" * 65536 for _ in range(1 << 20)), {"Content-Type": kind})
        if do == "wrong":
            data = data.replace(b"schemaVersion", b"schemaVersioN")
        if do == "type":
            kind = fault["type"]
        if do == "digest":
            said = "sha256:" + "0" * 64
        return self.answer(200, data, {"Content-Type": kind, "Docker-Content-Digest": said})

    def chunks(self, status, parts, headers):
        self.note(status)
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for part in parts:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            pass
        self.close_connection = True

    def blob(self, what, fault):
        do = fault["do"]
        if do == "present":
            return self.answer(200, b"", {"Docker-Content-Digest": what}, length=1)
        if what not in BLOBS:
            return self.error(404, "BLOB_UNKNOWN")
        data = BLOBS[what]
        start = 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if asked and do != "ignore-range":
            start = int(asked.group(1))
        if do == "wrong":
            data = bytes([data[0] ^ 1]) + data[1:]
        if do == "endless":
            return self.chunks(200, (data for _ in range(1 << 20)), {})
        headers = {}
        status = 200
        if start:
            status = 206
            shown = start + 1 if do == "wrong-range" else start
            headers["Content-Range"] = f"bytes {shown}-{len(data) - 1}/{len(data)}"
        part = data[start:]
        if do == "cut":
            self.answer(status, part[: max(1, len(part) // 3)], headers, length=len(part))
            return self.hang_up()
        if do == "slow":
            self.answer(status, part[:1], headers, length=len(part))
            for i in range(60):
                time.sleep(0.5)
                try:
                    self.wfile.write(part[1 + i:2 + i])
                except OSError:
                    return None
            return self.hang_up()
        return self.answer(status, part, headers)

    def upload(self, name, what, query, fault):
        data = self.body()
        if self.command == "POST":
            if "mount" in query:
                wanted = query["mount"].replace("%3A", ":")
                if wanted in BLOBS and fault["do"] != "no-mount":
                    return self.answer(201, b"", {"Location": f"/v2/{name}/blobs/{wanted}"})
            key = f"u{len(UPLOADS)}"
            UPLOADS[key] = b""
            place = fault.get("to", "") + f"/v2/{name}/blobs/uploads/{key}?state=a"
            return self.answer(202, b"", {"Location": place})
        if what not in UPLOADS:
            return self.error(404, "BLOB_UPLOAD_UNKNOWN")
        place = {"Location": f"/v2/{name}/blobs/uploads/{what}?state=b"}
        if self.command == "PATCH":
            if fault["do"] == "half":
                UPLOADS[what] += data[: len(data) // 2]
                self.note(0)
                return self.hang_up()
            UPLOADS[what] += data
            return self.answer(202, b"", {**place, "Range": f"0-{len(UPLOADS[what]) - 1}"})
        if self.command == "GET":
            return self.answer(204, b"", {**place, "Range": f"0-{max(0, len(UPLOADS[what]) - 1)}"})
        if self.command == "DELETE":
            del UPLOADS[what]
            return self.answer(204)
        whole = UPLOADS[what] + data
        wanted = query["digest"].replace("%3A", ":")
        if digest(whole) != wanted:
            return self.error(400, "DIGEST_INVALID")
        BLOBS[wanted] = whole
        if fault["do"] == "drop":
            self.note(0)
            return self.hang_up()
        return self.answer(201, b"", {"Docker-Content-Digest": wanted})

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any


class Other(Handler):
    other = True


def main():
    servers = []
    for handler in (Handler, Other):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # clients that go away are part of the tests
        if len(sys.argv) > 2 and handler is Handler:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(sys.argv[2], sys.argv[3])
            server.socket = context.wrap_socket(server.socket, server_side=True)
        servers.append(server)
    MODE.update({"scheme": "https" if len(sys.argv) > 2 else "http", "uses": 10 ** 6})
    threading.Thread(target=servers[1].serve_forever, daemon=True).start()
    with open(sys.argv[1] + ".new", "w", encoding="utf-8") as file:
        file.write(f"{servers[0].server_port} {servers[1].server_port}\n")
    os.rename(sys.argv[1] + ".new", sys.argv[1])
    servers[0].serve_forever()


main()
