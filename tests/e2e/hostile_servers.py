"""hostile_servers.py MINIBUILD DIRECTORY: see hostile_servers.sh. With a third argument, only what has it in its name."""
import base64
import gzip
import hashlib
import http.server
import io
import json
import os
import signal
import ssl
import subprocess
import sys
import tarfile
import threading
import time

MINIBUILD, DIRECTORY = sys.argv[1:3]
ONLY = sys.argv[3] if len(sys.argv) > 3 else ""
os.chdir(DIRECTORY)
PASSWORD = b"keeper:a-pass-word"
REFRESH = b"a-refresh-token"
SECRETS = [PASSWORD, base64.b64encode(PASSWORD), b"a-pass-word", REFRESH, base64.b64encode(REFRESH)]
OCI = "application/vnd.oci.image."
passed = failed = 0


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Server:
    """`answer(request)` gives (status, headers, body), or "done" after it wrote by itself; None: 404."""

    def __init__(self, answer, tls=False, host="127.0.0.1"):
        self.seen, self.requests = b"", 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.seen += self.requestline.encode() + b"\n" + str(self.headers).encode() + body + b"\n"
                outer.requests += 1
                got = answer(self) or (404, {}, b"{}")
                if got == "done":
                    self.close_connection = True
                    return
                status, headers, data = got
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                if "Content-Length" not in headers:
                    self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)
            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

        self.httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.httpd.daemon_threads = True
        self.httpd.handle_error = lambda *_: None
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain("tls.pem", "tls.key")
            self.httpd.socket = context.wrap_socket(self.httpd.socket, server_side=True)
        self.host = f"{host}:{self.httpd.server_port}"
        self.url = ("https://" if tls else "http://") + self.host
        threading.Thread(target=self.httpd.serve_forever, daemon=True).start()

    def got_a_secret(self):
        return any(secret in self.seen for secret in SECRETS)


class Image:
    def __init__(self, size=1000):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            info = tarfile.TarInfo("f")
            info.size = size
            tar.addfile(info, io.BytesIO(os.urandom(size)))
        plain = out.getvalue()
        self.layer = gzip.compress(plain, 1)
        self.config = json.dumps({"architecture": "amd64", "os": "linux", "config": {},
                                  "rootfs": {"type": "layers", "diff_ids": [digest(plain)]}}).encode()
        self.manifest = json.dumps({
            "schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
            "config": {"mediaType": OCI + "config.v1+json", "digest": digest(self.config), "size": len(self.config)},
            "layers": [{"mediaType": OCI + "layer.v1.tar+gzip", "digest": digest(self.layer),
                        "size": len(self.layer)}]}).encode()

    def answer(self, request):
        last = request.path.partition("?")[0].rsplit("/", 1)[1]
        if "/manifests/" in request.path and last in ("1", digest(self.manifest)):
            return 200, {"Content-Type": OCI + "manifest.v1+json", "Docker-Content-Digest": digest(self.manifest)}, self.manifest
        for blob in (self.config, self.layer):
            if "/blobs/" in request.path and last == digest(blob):
                return 200, {}, blob
        return None


IMAGE = Image()


def check(name, holds, *more):
    global passed, failed
    passed, failed = passed + bool(holds), failed + (not holds)
    if not holds:
        print("FAILED:", name)
        for text in more:
            print("   ", str(text).strip()[-600:])


def auth(*servers, identity=False):
    entry = {"identitytoken": REFRESH.decode()} if identity else {"auth": base64.b64encode(PASSWORD).decode()}
    with open("auth.json", "w", encoding="utf-8") as file:
        json.dump({"auths": {server.host: entry for server in servers}}, file)
    return ["--authfile", "auth.json"]


def run(*arguments, timeout=60):
    subprocess.run(["rm", "-rf", "cache", "out", "spec.lock.json"], check=False)
    return subprocess.run([MINIBUILD, *arguments, "--cache-dir", "cache"], capture_output=True, text=True, timeout=timeout,
                          check=False)


def spec(url, more=""):
    with open("spec.yaml", "w", encoding="utf-8") as file:
        file.write(f'minibuild: 1\nuser: 1\ncopy: [{{ url: "{url}", to: /f{more} }}]\n')
    return ["build", "spec.yaml", "-o", "oci:out", "--progress", "plain"]


def bearer(realm):
    return 401, {"WWW-Authenticate": f'Bearer realm="{realm}",service="s"'}, b"{}"


BASIC = 401, {"WWW-Authenticate": 'Basic realm="r"'}, b"{}"


def greedy(kind):
    """A host that asks for credentials, for itself or for a token server that it is as well."""
    def answer(request):
        if request.path.startswith("/token"):
            return 200, {}, b'{"token": "x"}'
        return BASIC if kind == "basic" else bearer(f"http://{request.headers['Host']}/token")
    return Server(answer)


def asks_basic(then):
    return lambda request: then(request) if request.headers.get("Authorization") else BASIC


# --- credentials: (name, who must not get one, the command's result, what it says)
def credentials():
    def stays(name, result, thief, says, *others):
        check(name, not thief.got_a_secret(), thief.seen, result.stderr)
        check(name + ": said", says in result.stderr and result.returncode != 0, result.returncode, result.stderr)
        for other in others:
            check(name + ": who may know it does", other.got_a_secret(), other.seen)

    for kind in ("basic", "bearer"):
        for identity in (False, True):
            if identity and kind == "basic":
                continue
            thief = greedy(kind)
            away = lambda request, thief=thief: (
                (307, {"Location": thief.url + request.path}, b"") if "/blobs/" in request.path else IMAGE.answer(request))
            registry = Server(away if identity else asks_basic(away))
            result = run("copy", f"docker://{registry.host}/team/app:1", "oci:out", "--plain-http", registry.host,
                         *auth(registry, identity=identity))
            stays(f"the target of a redirect asks ({kind}, identity {identity})", result, thief, "401 Unauthorized",
                  *([] if identity else [registry]))
            # Though it is a host that --plain-http names: it is another one.
            result = run("copy", f"docker://{registry.host}/team/app:1", "oci:out", "--plain-http", registry.host,
                         "--plain-http", thief.host, *auth(registry, identity=identity))
            stays(f"which is named ({kind}, identity {identity})", result, thief, "401 Unauthorized")

        thief = greedy(kind)
        registry = Server(asks_basic(lambda request, thief=thief: (
            (202, {"Location": thief.url + "/upload"}, b"") if request.command == "POST" else None)))
        with open("empty.yaml", "w", encoding="utf-8") as file:
            file.write('minibuild: 1\nuser: 1\nfiles: [{ file: /x, content: "x" }]\n')
        result = run("build", "empty.yaml", "-o", f"docker://{registry.host}/team/app:1", "--plain-http", registry.host,
                     *auth(registry))
        stays(f"the place of an upload asks ({kind})", result, thief, "401 Unauthorized", registry)

        thief = greedy(kind)
        result = run(*spec(thief.url + "/f"), *auth(thief))
        stays(f"a download without TLS ({kind})", result, thief, f"--plain-http {thief.host}")
        result = run(*spec("https://files.invalid/f"), "--mirror", f"https://files.invalid={thief.url}", *auth(thief))
        stays(f"a mirror without TLS ({kind})", result, thief, "not sent over plain HTTP" if kind == "basic" else "refused to ask")
        result = run("scan", "--update", "--from", thief.url + "/feed.json", *auth(thief))
        stays(f"a feed without TLS ({kind})", result, thief, f"--plain-http {thief.host}")
        result = run("copy", "docker://registry.invalid/team/app:1", "oci:out", "--mirror", f"registry.invalid={thief.url}",
                     *auth(thief))
        stays(f"a registry's mirror without TLS ({kind})", result, thief, "401 Unauthorized")

    for identity in (False, True):
        thief = greedy("bearer")
        registry = Server(lambda _, thief=thief: bearer(thief.url + "/token"))
        result = run("copy", f"docker://{registry.host}/team/app:1", "oci:out", "--plain-http", registry.host,
                     *auth(registry, identity=identity))
        stays(f"a token server without TLS (identity {identity})", result, thief, f"--plain-http {thief.host}")
        result = run("copy", f"docker://{registry.host}/team/app:1", "oci:out", "--plain-http", registry.host, "--plain-http",
                     thief.host, *auth(registry, identity=identity))
        check(f"that is named (identity {identity})", thief.got_a_secret(), result.stderr)
        thief = greedy("bearer")
        registry = Server(lambda _, thief=thief: bearer(thief.url + "/token"), tls=True, host="localhost")
        result = run("copy", f"docker://{registry.host}/team/app:1", "oci:out", "--tls-ca", "tls.pem", "--plain-http", thief.host,
                     *auth(registry, identity=identity))
        stays(f"a registry with TLS names one without (identity {identity})", result, thief, "over plain http")

    thief = greedy("bearer")
    web = Server(lambda _: bearer(thief.url + "/token"), tls=True, host="localhost")
    result = run(*spec(web.url + "/f"), "--tls-ca", "tls.pem", *auth(web))
    stays("a download names a token server", result, thief, "token")
    other = Server(lambda _: (200, {}, b'{"token": "x"}'), tls=True, host="localhost")
    web = Server(lambda _: bearer(other.url + "/token"), tls=True, host="localhost")
    result = run(*spec(web.url + "/f"), "--tls-ca", "tls.pem", *auth(web))
    stays("a download names a token server with TLS", result, other, "refused to ask")
    other = greedy("basic")
    web = Server(asks_basic(lambda _: (302, {"Location": other.url + "/f"}, b"")), tls=True, host="localhost")
    result = run(*spec(web.url + "/f"), "--tls-ca", "tls.pem", *auth(web, other))
    stays("a redirect from TLS to none", result, other, "refused to follow", web)

    thief = greedy("basic")
    page = lambda request: ((200, {"Content-Type": OCI + "index.v1+json", "Link": f'<{thief.url}/v2/x>; rel="next"'},
                             b'{"schemaVersion": 2, "manifests": []}') if "/referrers/" in request.path else IMAGE.answer(request))
    registry = Server(asks_basic(page))
    result = run("copy", "--referrers", f"docker://{registry.host}/team/app:1", "oci:out", "--plain-http", registry.host,
                 *auth(registry))
    stays("a next page elsewhere", result, thief, "goes on at another host", registry)
    check("is not asked", thief.requests == 0, thief.seen)

    result = run(*spec("https://files.invalid/f"), "--mirror",
                 f"https://files.invalid=http://{PASSWORD.decode()}@{thief.host}", *auth())
    stays("a password in the URL of a mirror", result, thief, "user or a password")
    check("is not repeated", "a-pass-word" not in result.stderr, result.stderr)

    web = Server(asks_basic(lambda _: (200, {}, b"text\n")))
    result = run(*spec(web.url + "/f"), "--plain-http", web.host, *auth(web))
    check("a download whose host is named gets them", result.returncode == 0 and web.got_a_secret(), result.stderr)


# --- no end: each command has to come to one, within time that is a multiple of --network-timeout, and say why.
def chunk(request, size=300000, of=1000000, pause=0.0, times=1):
    request.send_response(200)
    request.send_header("Content-Length", str(of))
    request.end_headers()
    try:
        for _ in range(times):
            request.wfile.write(b"x" * size)
            request.wfile.flush()
            time.sleep(pause)
    except OSError:
        pass
    return "done"


def growing():
    state = {"size": 300000}

    def answer(request):
        state["size"] += 2000
        return chunk(request, state["size"], 10 ** 9)
    return answer


def crawling_header(request):
    try:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        for _ in range(100):
            request.wfile.write(b"x")
            request.wfile.flush()
            time.sleep(0.3)
    except OSError:
        pass
    return "done"


def interim(pause, times):
    def answer(request):
        try:
            for _ in range(times):
                request.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                request.wfile.flush()
                time.sleep(pause)
        except OSError:
            pass
        return "done"
    return answer


def further(request):
    return 302, {"Location": request.path + "/a"}, b""


def pages(link):
    count = [0]

    def answer(request):
        if "/referrers/" not in request.path:
            return IMAGE.answer(request)
        count[0] += 1
        return (200, {"Content-Type": OCI + "index.v1+json", "Link": f'<{link.format(path=request.path.partition("?")[0], n=count[0])}>; rel="next"'},
                b'{"schemaVersion": 2, "manifests": []}')
    return answer


def endless_token(request):
    if request.path.startswith("/token"):
        return chunk(request, 1 << 16, 1 << 40, 0, 1000)
    return bearer(f"http://{request.headers['Host']}/token")


def no_end():
    def ends(name, server, arguments, says):
        try:
            result = run(*arguments, "--plain-http", server.host, "--network-timeout", "1", timeout=60)
        except subprocess.TimeoutExpired:
            return check(name + ": it still goes on", False, server.requests)
        return check(name, result.returncode == 1 and says in result.stderr, result.returncode, result.stderr)

    def download(server):
        return spec(server.url + "/f")

    def copy(server):
        return ["copy", "--referrers", f"docker://{server.host}/team/app:1", "oci:out"]

    crawl = lambda request: chunk(request, 400, 10 ** 6, 0.2, 300)
    cases = [
        ("cut off at the same byte", chunk, download, "tried 5 times without getting further"),
        ("cut off a little later each time", growing(), download, "tried 5 times without getting further"),
        ("a body that crawls", crawl, download, "is too slow: fewer than 4096 bytes a second"),
        ("a manifest that crawls", crawl, copy, "is too slow"),
        ("a header that crawls", crawling_header, download, "no byte came for 1 s"),
        ("no answer", lambda _: time.sleep(30), download, "no byte came for 1 s"),
        ("redirects, each to another place", further, download, "more than 5 redirects"),
        ("a page of referrers that is its own next", pages("{path}?same"), copy, "a page of it comes twice"),
        ("pages of referrers without end", pages("{path}?{n}"), copy, "the list has"),
        ("to wait for a day", lambda _: (429, {"Retry-After": "86400"}, b""), download, "429; it wants to be asked again after 86400 s, want at most 1 s"),
        ("to wait until a date", lambda _: (503, {"Retry-After": "Fri, 31 Dec 2100 23:59:59 GMT"}, b""), copy, "it wants to be asked again after"),
        ("a token, after a day", lambda r: (429, {"Retry-After": "86400"}, b"") if r.path.startswith("/token") else bearer(f"http://{r.headers['Host']}/token"), copy, "after 86400 s"),
        ("interim answers without end", interim(0, 10 ** 6), download, "sent 20 interim answers, such as 100 Continue, and none that counts"),
        ("interim answers now and then", interim(0.2, 200), download, "interim answer"),
        ("a header of 200 KB", lambda _: (302, {"Location": "/" + "a" * 200000}, b""), download, "answered with more headers than are read (256 KiB, 100 KiB in a line)"),
        ("a Location of 50 KB", lambda _: (302, {"Location": "/" + "a" * 50000}, b""), download, "is no URL that is followed: it has 50001 bytes, want fewer than 16384"),
        ("a redirect to nowhere", lambda _: (302, {}, b""), download, "302 Found without saying where to (Location)"),
        ("a manifest that is elsewhere, not said where", lambda _: (307, {}, b""), copy, "307 Temporary Redirect without saying where to"),
        ("a token without end", endless_token, copy, "answered with more than"),
    ]
    for name, answer, command, says in cases:
        if ONLY in name:
            server = Server(answer)
            ends(name, server, command(server), says)
    # Stopped in the middle: at once.
    for name, answer in (("a body that crawls", crawl), ("no answer", lambda _: time.sleep(30)),
                         ("a long pause", lambda _: (503, {"Retry-After": "25"}, b""))):
        server = Server(answer)
        subprocess.run(["rm", "-rf", "cache", "out", "spec.lock.json"], check=False)
        with subprocess.Popen([MINIBUILD, *download(server), "--cache-dir", "cache"], stderr=subprocess.PIPE, text=True) as process:
            while server.requests == 0 and process.poll() is None:
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            try:
                process.communicate(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
            check(f"SIGINT during {name}", process.returncode == 130, process.returncode)
    # What is no file has no end either.
    os.makedirs("mirror", exist_ok=True)
    os.mkfifo("mirror/fifo")
    for path, where in (("fifo", "mirror"), ("zero", "/dev")):
        result = run(*spec(f"https://files.invalid/{path}"), "--mirror", f"files.invalid=file://{os.path.realpath(where)}")
        check(f"{where}/{path} as a mirror's file", result.returncode == 1 and ", not a file" in result.stderr, result.stderr)
    # A helper that never answers; ended after twice the time-out.
    os.makedirs("bin", exist_ok=True)
    with open("bin/docker-credential-sleeps", "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\nexec sleep 98\n")
    os.chmod("bin/docker-credential-sleeps", 0o755)
    os.environ["PATH"] = DIRECTORY + "/bin:" + os.environ["PATH"]
    registry = Server(lambda _: BASIC)
    with open("auth.json", "w", encoding="utf-8") as file:
        json.dump({"credHelpers": {registry.host: "sleeps"}}, file)
    ends("a credential helper that sleeps", registry, copy(registry) + ["--authfile", "auth.json"], "gave no answer within 2 s")


# --- what is beside an image: few things, and small ones
def beside():
    subprocess.run("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out k.key && openssl pkey -in k.key -pubout -out k.pub",
                   shell=True, check=True, capture_output=True)
    subject = digest(IMAGE.manifest)

    def manifest(layers):
        return json.dumps({"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
                           "config": {"mediaType": OCI + "config.v1+json", "digest": digest(b"{}"), "size": 2},
                           "layers": layers}).encode()

    def layer(size):
        return {"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "digest": "sha256:" + "1" * 64, "size": size,
                "annotations": {"dev.cosignproject.cosign/signature": "AAAA"}}
    nothing = manifest([])
    entry = {"mediaType": OCI + "manifest.v1+json", "digest": digest(nothing), "size": len(nothing)}
    cases = [
        ("more referrers than are looked at", [entry] * 100, None, None, "it names 100 manifests; only 64 were looked at"),
        ("a referrer that is large", [{**entry, "size": 3 << 20}], None, None, "it has 3145728 bytes, want at most"),
        ("a referrer that is larger than is said", [{**entry, "size": 100}], nothing + b" " * 100000, None, "answered with more than 100 B"),
        ("more signatures than are looked at", [], None, manifest([layer(100)] * 70), "it has 70 signatures; only the last 64"),
        ("a payload that is large", [], None, manifest([layer(1 << 20)]), "it has 1048576 bytes, want at most 262144"),
        ("a large manifest of signatures", [], None, manifest([layer(100)]) + b" " * (2 << 20), "bytes, want at most 1048576"),
    ]
    for name, listed, served, signatures, says in cases:
        def answer(request, listed=listed, served=served, signatures=signatures):
            last = request.path.rsplit("/", 1)[1]
            if "/referrers/" in request.path:
                index = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": listed}
                return 200, {"Content-Type": OCI + "index.v1+json"}, json.dumps(index).encode()
            kind = {"Content-Type": OCI + "manifest.v1+json"}
            if last == digest(nothing):
                return 200, kind, served or nothing
            if signatures and last in ("sha256-" + subject[7:] + ".sig", digest(signatures)):
                return 200, {**kind, "Docker-Content-Digest": digest(signatures)}, signatures
            return IMAGE.answer(request)
        registry = Server(answer)
        result = run("verify", f"{registry.host}/team/app:1", "--key", "k.pub", "--plain-http", registry.host)
        check(name, result.returncode == 3 and says in result.stderr, result.returncode, result.stderr)


# --- what is said of a fetch
def told():
    web = Server(lambda _: (200, {}, b"text\n"))
    result = run(*spec("https://files.invalid/a/f"), "--mirror", f"https://files.invalid={web.url}/b")
    check("the mirror that was asked is named", f"https://files.invalid/a/f from the mirror {web.url}/b/a/f" in result.stderr, result.stderr)
    registry = Server(IMAGE.answer)
    result = run("copy", "docker://registry.invalid/team/app:1", "oci:out", "--mirror", f"registry.invalid={registry.url}")
    check("so is a registry's", f"from the mirror {registry.host}/team/app" in result.stderr, result.stderr)
    if os.geteuid() != 0:
        print("not run: a full disk: only root can mount one")
        return
    large = Image(6_000_000)
    registry = Server(large.answer)
    web = Server(lambda _: (200, {}, b"x" * 6_000_000))
    os.makedirs("small", exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", "small"], capture_output=True, check=False).returncode != 0:
        print("not run: a full disk: mounting is forbidden here")
        return
    try:
        for name, arguments in (("a layer", ["copy", f"docker://{registry.host}/team/app:1", "oci:out", "--plain-http", registry.host]),
                                ("a download", spec(web.url + "/f"))):
            result = subprocess.run([MINIBUILD, *arguments, "--cache-dir", "small/cache"], capture_output=True, text=True, timeout=60, check=False)
            check(f"{name} on a full disk", result.returncode == 1 and "No space left on device" in result.stderr and
                  "small/cache" in result.stderr, result.stderr)
    finally:
        subprocess.run(["umount", "small"], check=False)


for part in (credentials, no_end, beside, told):
    if ONLY in part.__name__ or part is no_end:
        part()
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0 or passed == 0)
