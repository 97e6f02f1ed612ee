"""odd_registries.py MINIBUILD DIRECTORY: see odd_registries.sh. With a third argument, only what has it in its name."""
import base64
import hashlib
import http.server
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.parse

MINIBUILD, DIRECTORY = sys.argv[1:3]
ONLY = sys.argv[3] if len(sys.argv) > 3 else ""
os.chdir(DIRECTORY)
INDEX = "application/vnd.oci.image.index.v1+json"
passed = failed = 0


def sha(data, algorithm="sha256"):
    return algorithm + ":" + hashlib.new(algorithm, data).hexdigest()


NAME = "[a-z0-9]+(?:(?:[.]|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[.]|_|__|-+)[a-z0-9]+)*)*"
DIGEST = "sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128})"
TAG = "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}"
broken_rules = {}  # what the distribution specification asks of clients, and the first request that did otherwise


def obeys(registry, request, data):
    """Each request that any test here makes: endpoints end-2 to end-14, with their headers and queries."""
    method, (path, _, query) = request.command, request.path.removeprefix("/moved").partition("?")
    given = urllib.parse.parse_qs(query, keep_blank_values=True)
    length, kind = request.headers.get("Content-Length"), request.headers.get("Content-Type")

    def rule(text, holds):
        if not holds:
            broken_rules.setdefault(text, f"{method} {request.path} {dict(request.headers)}")
    found = re.fullmatch(f"/v2/{NAME}/(?:(blobs)/{DIGEST}|(manifests)/(?:{TAG}|{DIGEST})|(blobs/uploads)/(.*)|(tags)/list|(referrers)/{DIGEST})", path)
    rule("an endpoint, with a name, tag and digest as they are spelled", found)
    what = found and found[found.lastindex if found[3] is None else 3]
    rule("a body has its length", not data or length == str(len(data)))
    rule("a write without a body says so", method not in ("POST", "PUT", "PATCH") or length is not None)
    if what == "blobs":
        rule("blobs are read, with a Range of bytes or none", method in ("GET", "HEAD") and re.fullmatch("bytes=[0-9]+-", request.headers.get("Range", "bytes=0-")))
    if what == "manifests" and method in ("GET", "HEAD"):
        rule("Accept names the types of manifests", all(f"application/vnd.oci.image.{one}.v1+json" in request.headers.get("Accept", "") for one in ("manifest", "index")))
    if what == "manifests" and method == "PUT":
        rule("Content-Type is the manifest's mediaType, without parameters", kind == json.loads(data).get("mediaType", kind) and ";" not in kind)
    if what == "tags":
        rule("n is a number above none, last a tag", method == "GET" and set(given) <= {"n", "last"} and int(given.get("n", ["1"])[0]) > 0 and re.fullmatch(TAG, given.get("last", ["a"])[0]))
    if what == "referrers":
        rule("referrers are read", method == "GET")
    if what != "blobs/uploads":
        return
    if method == "POST" and not found[4]:
        names = set(given)
        rule("an upload is begun by nothing, its algorithm, or what is mounted", not data and (names <= {"digest-algorithm"} or (
            names == {"mount", "from"} and re.fullmatch(DIGEST, given["mount"][0]) and re.fullmatch(NAME, given["from"][0]))))
        return
    # All else goes to the place that the last answer named, as it was named.
    closed = re.sub("[?&]digest=[^&]*$", "", request.path) if method == "PUT" else request.path
    if found[4] in registry.last_place:
        rule("what an upload sends goes where the registry said", closed.removeprefix("/moved") == registry.last_place[found[4]])
    if method == "PUT":
        rule("the end names the digest of the whole", re.fullmatch(DIGEST, given.get("digest", [""])[-1]))
        rule("bytes at the end are bytes", not data or kind == "application/octet-stream")
    if method == "PATCH":
        part = re.fullmatch("([0-9]+)-([0-9]+)", request.headers.get("Content-Range", ""))
        rule("a piece says which bytes it has", part and int(part[2]) - int(part[1]) + 1 == len(data) and kind == "application/octet-stream")
        if part and not {"range", "takes", "fails"} & registry.habits.keys():
            rule("pieces come in order", int(part[1]) == len(registry.uploads.get(found[4], b"")))


class Registry:
    """What a habit changes is looked up as `self.habit("NAME")`; without habits it does what the specification says."""

    def __init__(self, **habits):
        self.habits, self.log, self.count, self.steps, self.short = habits, [], 0, 0, 0
        self.blobs, self.has, self.manifests, self.tags, self.uploads, self.last_place, self.algorithms = {}, set(), {}, {}, {}, {}, {}
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def handle_any(self):
                outer.handle(self, self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

        self.httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.httpd.daemon_threads = True
        self.httpd.handle_error = lambda *_: None
        self.host = f"127.0.0.1:{self.httpd.server_port}"
        threading.Thread(target=self.httpd.serve_forever, daemon=True).start()

    def habit(self, name, usual=None):
        return self.habits.get(name, usual)

    def send(self, request, status, body=b"", *headers):
        self.log.append(f"{request.command} {request.path} {status}")
        request.send_response(status)
        for name, value in headers:
            if value is not None:
                request.send_header(name, value)
        if not any(name == "Content-Length" for name, _ in headers):
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)

    def error(self, request, status, code="UNSUPPORTED"):
        self.send(request, status, json.dumps({"errors": [{"code": code, "message": code.lower()}]}).encode())

    def fails(self, request, what):
        how = self.habit("fails", {}).get(what)
        if how == "cut":
            request.close_connection = True
            request.connection.close()
        elif how:
            self.error(request, how)
        return bool(how)

    def handle(self, request, data):
        url = urllib.parse.urlsplit(request.path)
        if url.path != "/token":
            obeys(self, request, data)
        query = {name: values[0] for name, values in urllib.parse.parse_qs(url.query, keep_blank_values=True).items()}
        if url.path == "/token":
            return self.token(request, data, urllib.parse.parse_qs(url.query))
        if self.habit("auth") and request.headers.get("Authorization", "") not in self.habit("auth"):
            self.log.append(f"{request.command} {request.path} 401")
            request.send_response(401)
            for one in self.habit("challenges"):
                request.send_header("WWW-Authenticate", one.replace("HOST", self.host))
            request.send_header("Content-Length", "0")
            return request.end_headers()
        name, kind, what = re.fullmatch(r"/(?:moved/)?v2/(.+?)/(manifests|blobs/uploads|blobs|tags|referrers)/?(.*)", url.path).groups()
        moves = self.habit("moves", {}).get(f"{request.command} {kind}")
        if moves and not url.path.startswith("/moved/"):
            return self.send(request, moves, b"", ("Location", self.habit("to", "") + "/moved" + request.path))
        if kind == "blobs/uploads":
            return self.upload(request, name, what, query, data)
        return getattr(self, "answer_" + kind)(request, name, what, query, data)

    def token(self, request, data, query):
        form = {name: values[0] for name, values in urllib.parse.parse_qs(data.decode()).items()}
        scopes = query.get("scope", []) + form.get("scope", "").split()
        self.log.append(f"{request.command} /token {sorted(scopes)} {request.headers.get('Authorization', '')} {form.get('username', '')}")
        status, body = self.habit("token", lambda *_: (200, b'{"token": "t"}'))(request.command, scopes, form)
        self.send(request, status, body)

    def answer_manifests(self, request, name, what, query, data):
        if self.fails(request, f"{request.command} manifests") or (what.startswith("sha256-") and self.fails(request, f"{request.command} digest tag")):
            return None
        if request.command == "PUT":
            return self.put_manifest(request, what, data)
        if request.command == "DELETE":
            gone = self.manifests.pop(what, None)
            self.tags = {tag: digest for tag, digest in self.tags.items() if digest != what}
            return self.send(request, self.habit("done", {}).get("DELETE manifest", 202) if gone else 404)
        alias = self.habit("alias") and re.fullmatch("sha256-[0-9a-f]{64}", what)
        digest = what.replace("-", ":") if alias else what if what.startswith("sha256:") else self.tags.get(what)
        if digest not in self.manifests:
            return self.error(request, 404, "MANIFEST_UNKNOWN")
        kind, body = self.manifests[digest]
        headers = [("Content-Type", self.habit("type", kind)), ("Docker-Content-Digest", self.habit("digest", digest))]
        return self.send(request, 200, body, *headers, ("Content-Length", str(len(body))))

    def put_manifest(self, request, what, data):
        value = json.loads(data)
        blobs = [blob["digest"] for blob in value.get("layers", []) + ([value["config"]] if "config" in value else [])]
        if not set(blobs) <= self.has:
            return self.error(request, 400, "MANIFEST_BLOB_UNKNOWN")
        self.store(what, data, request.headers["Content-Type"])
        subject = value.get("subject", {}).get("digest") if self.habit("says_subject") else None
        return self.send(request, self.habit("done", {}).get("PUT manifest", 201), b"", ("OCI-Subject", subject),
                         ("Docker-Content-Digest", self.habit("digest", sha(data))))

    def store(self, what, data, kind):
        self.manifests[sha(data)] = (kind, data)
        if not what.startswith("sha256:"):
            self.tags[what] = sha(data)

    def answer_blobs(self, request, name, what, query, data):
        if self.fails(request, f"{request.command} blobs"):
            return None
        if what not in self.has and not (self.habit("only") and self.habit("only") not in name):
            return self.error(request, 404, "BLOB_UNKNOWN")
        return self.send(request, 200, self.blobs[what])

    def answer_tags(self, request, name, what, query, data):
        if self.habit("fails_after") and query.get("last"):
            return self.error(request, self.habit("fails_after"))
        listed = sorted(self.tags)
        if self.habit("knows_last", True):
            listed = [tag for tag in listed if tag > query.get("last", "")]
        page = min(self.habit("page", 1000), int(query.get("n", 1000)) if self.habit("knows_n", True) else 1000)
        link = None
        if len(listed) > page:
            link = self.habit("link", '<?n=N&last=LAST>; rel="next"') if page == self.habit("page") or self.habit("links", True) else None
        if link:
            link = link.replace("NAME", name).replace("LAST", listed[page - 1]).replace("=N", f"={page}").replace("HOST", self.host)
        body = self.habit("tag_body", lambda tags: json.dumps({"name": name, "tags": tags}).encode())(listed[:page])
        return self.send(request, 200, body, ("Link", link))

    def answer_referrers(self, request, name, what, query, data):
        if self.habit("referrers"):
            return self.send(request, *self.habit("referrers"))
        found = [{"mediaType": kind, "digest": digest, "size": len(body)} for digest, (kind, body) in self.manifests.items()
                 if json.loads(body).get("subject", {}).get("digest") == what]
        self.send(request, 200, json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": found}).encode(), ("Content-Type", self.habit("list_type", INDEX)))

    def upload(self, request, name, what, query, data):
        done = self.habit("done", {}).get(f"{request.command}", {"POST": 202, "PATCH": 202, "PUT": 201, "GET": 204, "DELETE": 204}[request.command])
        if request.command == "POST":
            if "mount" in query:
                if self.fails(request, "mount"):
                    return None
                if self.habit("lies_of_mounts"):
                    return self.send(request, 201)
                if query["mount"] in self.blobs and not self.habit("no_mounts"):
                    self.has.add(query["mount"])
                    return self.send(request, 201)
            elif self.fails(request, "POST"):
                return None
            self.count += 1
            what = f"u{self.count}"
            self.uploads[what] = b""
            self.algorithms[what] = query.get("digest-algorithm", "sha256")
            least = self.habit("least")
            return self.send(request, done, b"", *self.place(name, what), ("OCI-Chunk-Min-Length", least and str(least)))
        if what not in self.uploads:
            return self.error(request, 404, "BLOB_UPLOAD_UNKNOWN")
        if self.habit("steps") and query.get("step") != str(self.steps):
            return self.error(request, 404, "BLOB_UPLOAD_UNKNOWN")
        if self.habit("state") and query.get("_state") != self.habit("state"):
            return self.error(request, 400, "BLOB_UPLOAD_INVALID")
        if len(data) > self.habit("most", len(data)):
            return self.error(request, 413, "SIZE_INVALID")
        if request.command == "PATCH":
            if self.fails(request, "PATCH"):
                return None
            if self.habit("least"):
                self.short += len(data) < self.habit("least")
            if self.habit("disordered", 0) > 0:  # it has less than the client thinks
                self.habits["disordered"] -= 1
                self.uploads[what] += data[:1_000_000]
                return self.error(request, 416)
            self.uploads[what] += data[:self.habit("takes", len(data))]
            said = self.habit("range", lambda size: f"0-{size - 1}")(len(self.uploads[what]))
            place = [] if self.habit("silent") else self.place(name, what)
            if self.habit("ends_early") and sha(self.uploads[what]) in self.habit("ends_early"):
                self.keep(self.uploads.pop(what))
            return self.send(request, done, b"", *place, ("Range", said))
        if request.command == "GET":
            return self.send(request, done, b"", *self.place(name, what), ("Range", self.habit("range", lambda size: f"0-{max(0, size - 1)}")(len(self.uploads[what]))))
        if request.command == "DELETE":
            del self.uploads[what]
            return self.send(request, done)
        body = self.uploads.pop(what) + data
        if query.get("digest") not in (sha(body), sha(body, "sha512")) or self.algorithms[what] != query["digest"][:6]:
            return self.error(request, 400, "DIGEST_INVALID")
        self.keep(body)
        return self.send(request, done, b"", ("Docker-Content-Digest", self.habit("digest", sha(body))))

    def keep(self, body):
        for digest in (sha(body), sha(body, "sha512")):
            self.blobs[digest] = body
            self.has.add(digest)

    def place(self, name, what):
        self.steps += 1
        form = self.habit("place", "/v2/NAME/blobs/uploads/ID").replace("NAME", name).replace("ID", what).replace("HOST", self.host).replace("STEP", str(self.steps))
        if self.habit("steps"):
            self.last_place[what] = form
        return [("Location", form or None)]


def check(name, holds, *more):
    global passed, failed
    passed, failed = passed + bool(holds), failed + (not holds)
    if not holds:
        print("FAILED:", name)
        for text in more:
            print("   ", str(text).strip()[-900:])


def run(registry, *arguments):
    subprocess.run(["rm", "-rf", "cache", "out"], check=False)
    return subprocess.run([MINIBUILD, *arguments, "--plain-http", registry.host, "--network-timeout", "3"], capture_output=True, text=True, timeout=100, check=False)


def digest_of(layout):
    with open(f"{layout}/index.json", encoding="utf-8") as file:
        return json.load(file)["manifests"][0]["digest"]


def fill(registry, layout="app", tag="1", name="team/app"):
    """Puts an image there without any request."""
    for blob in os.listdir(f"{layout}/blobs/sha256"):
        with open(f"{layout}/blobs/sha256/{blob}", "rb") as file:
            data = file.read()
        if f"sha256:{blob}" == digest_of(layout):
            registry.store(tag, data, "application/vnd.oci.image.manifest.v1+json")
        else:
            registry.keep(data)


def pushes(name, registry, layout="app", *arguments):
    result = run(registry, "copy", f"oci:{layout}:1", f"docker://{registry.host}/team/app:1", *arguments)
    want = digest_of(layout)
    check("a push: " + name, result.returncode == 0 and registry.tags.get("1") == want, result.stderr, *registry.log[-12:])


def push():
    for method in ("POST", "PUT", "PUT manifest"):
        for status in (200, 201, 202, 204):
            pushes(f"{status} to {method}", Registry(done={method: status}))
    for place in ("http://HOST/v2/NAME/blobs/uploads/ID", "HTTP://HOST/v2/NAME/blobs/uploads/ID", "//HOST/v2/NAME/blobs/uploads/ID", "ID", "./ID", "../uploads/ID",
                  "/v2/NAME/blobs/uploads/ID#part", "/v2/NAME/blobs/uploads/ID/"):
        pushes(f"the place {place}", Registry(place=place) if not place.endswith("/") else Registry(place=place[:-1] + "?"))
    pushes("a query that has to come back", Registry(place="/v2/NAME/blobs/uploads/ID?_state=a%3Db%26c%2F&x=1", state="a=b&c/"))
    pushes("a query with an address in it", Registry(place="ID?_state=http://other/%3Fx", state="http://other/?x"))
    for digest in (None, "", "blake3:" + "1" * 64, "unknown"):
        pushes(f"the digest {digest}", Registry(digest=digest))
    # What only saves work ends nothing.
    for status in (400, 401, 403, 404, 405, 429, 500, 501, 503, "cut"):
        pushes(f"{status} to HEAD of blobs", Registry(fails={"HEAD blobs": status}))
        pushes(f"{status} to HEAD of manifests", Registry(fails={"HEAD manifests": status}))
    for status in (307, 308):
        pushes(f"{status}", Registry(moves={"POST blobs/uploads": status, "PUT blobs/uploads": status, "PUT manifests": status}))
    pushes("308 and relative places", Registry(moves={"POST blobs/uploads": 308}, place="ID"))
    for status in (301, 302, 303):
        registry = Registry(moves={"PUT manifests": status})
        result = run(registry, "copy", "oci:app:1", f"docker://{registry.host}/team/app:1")
        check(f"{status} of a write is not followed", result.returncode == 1 and str(status) in result.stderr and not registry.tags, result.stderr)


def elsewhere():
    """Who is redirected takes its credentials along to nobody."""
    other = Registry()
    registry = Registry(auth=["Basic dTpw"], challenges=['Basic realm="r"'], moves={"PUT manifests": 307}, to=f"http://{other.host}")
    with open("auth.json", "w", encoding="utf-8") as file:
        json.dump({"auths": {registry.host: {"auth": "dTpw"}, other.host: {"auth": "bzpv"}}}, file)
    other.has = registry.has
    other.habits = {"auth": ["never"], "challenges": ['Basic realm="o"']}
    result = run(registry, "copy", "oci:app:1", f"docker://{registry.host}/team/app:1", "--authfile", "auth.json", "--plain-http", other.host)
    check("credentials stay where they belong", result.returncode == 1 and other.log and all("401" in line for line in other.log), result.stderr, *other.log)
    other.habits = {}
    result = run(registry, "copy", "oci:app:1", f"docker://{registry.host}/team/app:1", "--authfile", "auth.json", "--plain-http", other.host)
    check("the body goes with the redirect", result.returncode == 0 and other.tags.get("1") == digest_of("app"), result.stderr)


def large():
    layer = max((f"sha256:{blob}" for blob in os.listdir("large/blobs/sha256")), key=lambda blob: os.path.getsize(f"large/blobs/sha256/{blob[7:]}"))
    cases = [(f"{status} to PATCH", {"done": {"PATCH": status}}) for status in (201, 204)]
    cases += [("no place after the first", {"silent": True}),
              ("no Range", {"range": lambda size: None}),
              ("a Range of the piece alone", {"range": lambda size: "64000000-69999999"}),
              ("a Range beyond what was sent", {"range": lambda size: "0-99999999999"}),
              ("half a piece is taken", {"takes": 30_000_000}),
              ("a Range that stays behind", {"range": lambda size: "0-0"}),
              ("it has all of it before the end", {"ends_early": [layer]}),
              ("at most 20 MB at once", {"most": 20_000_000})]
    cases += [(f"{status} to PATCH: in one piece", {"fails": {"PATCH": status}}) for status in (404, 405, 501)]
    cases += [("308 to PATCH", {"moves": {"PATCH blobs/uploads": 308}})]
    for name, habits in cases:
        if ONLY in name or ONLY == "large":
            pushes(f"70 MB, {name}", Registry(**habits), "large")
    for most in (1 << 20, 300_000):
        pushes(f"3 MB, {most} bytes at once", Registry(most=most), "middle")
    for habits in ({"most": 1000}, {"most": 1 << 20, "least": 2_000_000}):
        registry = Registry(**habits)
        result = run(registry, "copy", "oci:middle:1", f"docker://{registry.host}/team/app:1")
        check(f"3 MB, {habits}: refused", result.returncode == 1 and "413" in result.stderr and not registry.tags, result.stderr)


def specification():
    """What the distribution specification asks of clients, beside the form of requests (`obeys`)."""
    step = {"place": "/v2/NAME/blobs/uploads/ID?step=STEP&a=%2B", "steps": True}
    pushes("a place that moves with each answer", Registry(**step))
    pushes("70 MB, a place that moves with each answer", Registry(**step), "large")
    pushes("70 MB, 416 to what comes out of order", Registry(disordered=1, **step), "large")
    registry = Registry(least=69_000_000)
    pushes("70 MB, a least length of pieces", registry, "large")
    check("of which only the last is shorter", registry.short == 1, registry.short)
    registry = Registry()
    result = run(registry, "copy", "oci:sha512:blobs", f"docker://{registry.host}/team/app:1")
    check("blobs under SHA-512, of which the upload says so", result.returncode == 0 and "1" in registry.tags, result.stderr, *registry.log[-8:])

    # What has a subject is noted in the list under its tag where there is no API, by every kind of push.
    for kind, said in (("thing", {"artifactType": "application/x.thing"}), ("empty", {"artifactType": ""}), ("plain", {})):
        registry = Registry(referrers=(404, b""))
        fill(registry)
        subject = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest_of("app"), "size": len(registry.manifests[digest_of("app")][1])}
        for tag in ("a", "b"):
            body = json.dumps({"schemaVersion": 2, "mediaType": subject["mediaType"], **said, "annotations": {"of": tag}, "layers": [], "subject": subject,
                               "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": sha(b"{}"), "size": 2}}).encode()
            registry.keep(b"{}")
            registry.store(tag, body, subject["mediaType"])
            copied = run(registry, "copy", f"docker://{registry.host}/team/app:{tag}", f"oci:{kind}-{tag}:1")
            del registry.manifests[registry.tags.pop(tag)]
            for _ in range(2):  # once in the list, however often it is pushed
                again = run(registry, "copy", f"oci:{kind}-{tag}:1", f"docker://{registry.host}/team/app:{tag}")
                check(f"a copy of what has a subject ({kind} {tag})", copied.returncode + again.returncode == 0, copied.stderr, again.stderr)
        listed = json.loads(registry.manifests.get(registry.tags.get("sha256-" + digest_of("app")[7:]), (0, b"{}"))[1]).get("manifests", [])
        want = [{"digest": registry.tags.get(tag), "artifactType": said.get("artifactType") or "application/vnd.oci.empty.v1+json", "annotations": {"of": tag}} for tag in ("a", "b")]
        check(f"it is in the list of its subject ({kind})", [{key: one.get(key) for key in want[0]} for one in listed] == want, listed, *registry.log[-8:])
    # An API that says it noted it is asked for no list; what stands under the tag and is no list is not replaced.
    registry = Registry(says_subject=True)
    fill(registry)
    copied = run(registry, "copy", "oci:thing-a:1", f"docker://{registry.host}/team/app:a")
    check("with the API there is no list", copied.returncode == 0 and set(registry.tags) == {"1", "a"}, copied.stderr, registry.tags)
    registry = Registry(referrers=(404, b""))
    fill(registry)
    fill(registry, "v1", "sha256-" + digest_of("app")[7:])
    copied = run(registry, "copy", "oci:thing-a:1", f"docker://{registry.host}/team/app:a")
    check("what is no list is told and left", copied.returncode == 1 and "is not an index" in copied.stderr and
          registry.tags["sha256-" + digest_of("app")[7:]] == digest_of("v1"), copied.stderr)
    # An error's code and message are told.
    codes = ("BLOB_UNKNOWN BLOB_UPLOAD_INVALID BLOB_UPLOAD_UNKNOWN DIGEST_INVALID MANIFEST_BLOB_UNKNOWN MANIFEST_INVALID MANIFEST_UNKNOWN NAME_INVALID "
             "NAME_UNKNOWN SIZE_INVALID UNAUTHORIZED DENIED UNSUPPORTED TOOMANYREQUESTS").split()
    for n, code in enumerate(codes):
        what = ("GET manifests", "GET blobs", "POST", "PUT manifests")[n % 4]
        registry = Registry()
        registry.habits["fails"] = {what: 400}
        registry.error = lambda request, status, _="", code=code, registry=registry: registry.send(request, status, json.dumps(
            {"errors": [{"code": code, "message": f"said of {code}", "detail": {"a": 1}}]}).encode())
        if what.startswith("GET"):
            fill(registry)
        places = [f"docker://{registry.host}/team/app:1", "oci:app:1"]
        result = run(registry, "copy", *(places if what.startswith("GET") else places[::-1]))
        check(f"{what}: {code}", result.returncode == 1 and code in result.stderr and f"said of {code}" in result.stderr and "400" in result.stderr, result.stderr)


def mounts():
    def copies(name, registry, *arguments):
        fill(registry)
        registry.habits["only"] = "new"  # the other repository has everything, this one what was put there
        registry.has = set()
        result = run(registry, "copy", f"docker://{registry.host}/team/app:1", f"docker://{registry.host}/team/new:2", *arguments)
        check("a mount: " + name, result.returncode == 0 and registry.tags.get("2") == digest_of("app"), result.stderr, *registry.log[-12:])
    copies("as it should be", Registry())
    for status in (400, 401, 403, 404, 405, 500, "cut"):
        copies(str(status), Registry(fails={"mount": status}))
    copies("an upload instead", Registry(no_mounts=True))
    copies("an upload at a place that is none", Registry(no_mounts=True, place="ID"))
    copies("201, and nothing is there", Registry(lies_of_mounts=True))
    for status in (401, 403, 404):
        one = lambda method, scopes, form, status=status: (status, b"{}") if len(scopes) > 1 else (200, b'{"token": "t"}')
        copies(f"{status} to a token for both", Registry(auth=["Bearer t"], challenges=['Bearer realm="http://HOST/token",service="s"'], token=one))


def tokens():
    with_password = base64.b64encode(b"u:p").decode()
    bearer = 'Bearer realm="http://HOST/token",service="s"'
    wants_post = lambda method, scopes, form: (200, b'{"token": "t"}') if form.get("username") == "u" and form.get("grant_type") == "password" else (404, b"")
    cases = [("token", {"token": lambda *_: (200, b'{"token": "t"}')}),
             ("access_token", {"token": lambda *_: (200, b'{"access_token": "t", "expires_in": 60}')}),
             ("an empty token beside it", {"token": lambda *_: (200, b'{"token": "", "access_token": "t"}')}),
             ("201", {"token": lambda *_: (201, b'{"token": "t"}')}),
             ("404 to GET", {"token": wants_post}),
             ("Basic first, which is refused by nobody", {"challenges": ['Basic realm="r"', bearer], "auth": ["Basic " + with_password]}),
             ("a token server that is away, and Basic", {"challenges": [bearer, 'Basic realm="r"'], "auth": ["Basic " + with_password], "token": lambda *_: (403, b"")}),
             ("both in one header", {"challenges": ['Negotiate, ' + bearer + ', Basic realm="r"']}),
             ("a challenge without realm before it", {"challenges": ['Bearer service="x"', bearer]}),
             ("an address without a host", {"challenges": ['Bearer realm="/token",service="s"']}),
             ("no service", {"challenges": ['bearer realm="http://HOST/token"']}),
             ("the same scope, in another order", {"challenges": [bearer + ',scope="repository:team/app:push,pull"'],
                                                   "token": lambda method, scopes, form: (403, b"") if len(scopes) > 1 else (200, b'{"token": "t"}')}),
             ("another name than it is asked by", {"challenges": [bearer + ',scope="repository:cached/team/app:pull,push"'],
                                                   "token": lambda method, scopes, form: (200, b'{"token": "t"}') if "repository:cached/team/app:pull,push" in scopes else (403, b"")})]
    for name, habits in cases:
        registry = Registry(**{"auth": ["Bearer t"], "challenges": [bearer], **habits})
        with open("auth.json", "w", encoding="utf-8") as file:
            json.dump({"auths": {registry.host: {"auth": with_password}}}, file)
        pushes("tokens, " + name, registry, "app", "--authfile", "auth.json")


def pull():
    want = digest_of("app")

    def pulls(name, says="", **habits):
        registry = Registry(**habits)
        fill(registry)
        result = run(registry, "copy", f"docker://{registry.host}/team/app:1", "oci:out:1")
        good = result.returncode == 0 and digest_of("out") == want if not says else result.returncode == 1 and says in result.stderr
        check("a pull: " + name, good, result.stderr, *registry.log[-5:])
    manifest = "application/vnd.oci.image.manifest.v1+json"
    for kind in (None, "", "application/json", "text/plain; charset=utf-8", "application/octet-stream", manifest.upper(), manifest + "; charset=utf-8", "application/vnd.example+json",
                 "application/vnd.docker.distribution.manifest.v2+json"):
        pulls(f"Content-Type {kind}", type=kind)
    for kind in (INDEX, "application/vnd.docker.distribution.manifest.list.v2+json"):
        pulls(f"Content-Type {kind}", "but says of itself", type=kind)
    for status in (301, 302, 303, 307, 308):
        pulls(f"{status}", moves={"GET manifests": status, "GET blobs": status})
    for status in (403, 405, "cut"):
        registry = Registry(fails={"HEAD manifests": status})
        fill(registry)
        with open("on.yaml", "w", encoding="utf-8") as file:
            file.write(f"minibuild: 1\nbase: {registry.host}/team/app:1\n")
        subprocess.run(["rm", "-f", "on.lock.json"], check=False)
        result = run(registry, "lock", "on.yaml")
        with open("on.lock.json", encoding="utf-8") if result.returncode == 0 else open(os.devnull, encoding="utf-8") as file:
            lock = file.read()
        check(f"a lock: {status} to HEAD", want in lock and "manifest.v1+json" in lock, result.stderr)


def signatures():
    html = b"<html>not here</html>"
    listed = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()
    answers = [(status, b"") for status in (400, 401, 403, 406, 500, 501)]
    answers += [(200, body) for body in (html, b"", b"null", b'{"errors": [{"code": "UNSUPPORTED"}]}', listed,
                                         json.dumps({"schemaVersion": 2, "mediaType": INDEX}).encode())]
    cases = [("it has them", {}), ("as a file", {"list_type": "application/json"})]
    cases += [(f"{status} {body[:20]} for referrers", {"referrers": (status, body)}) for status, body in answers]
    cases += [("! an empty list for everything", {"referrers": (200, listed)})]
    cases += [("! it says that it noted the subject", {"referrers": (404, b""), "says_subject": True}),
              ("! the tag is the digest", {"referrers": (404, b""), "alias": True}),
              ("! HEAD of such tags is refused", {"referrers": (404, b""), "fails": {"HEAD digest tag": 400}}),
              ("reading such tags is refused until they are there", {"referrers": (404, b""), "fails": {"HEAD digest tag": 405}})]
    # Signed once where there is no API; the list under the tag is what the others have, too.
    first = Registry(referrers=(404, b""))
    fill(first)
    result = run(first, "sign", f"docker://{first.host}/team/app:1", "--key", "k.pem")
    check("sign: 404 for referrers", result.returncode == 0 and "sha256-" + digest_of("app")[7:] in first.tags, result.stderr, *first.log[-8:])
    for name, habits in cases:
        registry = Registry(**habits)
        registry.blobs, registry.has, registry.manifests, registry.tags = first.blobs, first.has, dict(first.manifests), dict(first.tags)
        place = f"docker://{registry.host}/team/app:1"
        if "!" in name:
            registry = Registry(**habits)
            fill(registry)
            place = f"docker://{registry.host}/team/app:1"
            signed = run(registry, "sign", place, "--key", "k.pem")
            check("sign: " + name, signed.returncode == 0, signed.stderr, *registry.log[-8:])
        verified = run(registry, "verify", place, "--key", "k.pub")
        check("verify: " + name, verified.returncode == 0, verified.stderr)
        copied = run(registry, "copy", "--referrers", place, "oci:out:1")
        want = 1 if "the tag is the digest" in name else 2
        check("copy --referrers: " + name, copied.returncode == 0 and f": {want} referrer" in copied.stderr, copied.stderr)
    # What nobody would find is not said to be there.
    registry = Registry(referrers=(404, b""), alias=True)
    fill(registry)
    result = run(registry, "sign", f"docker://{registry.host}/team/app:1", "--key", "k.pem", "--form", "bundle")
    check("a bundle that nobody finds", result.returncode == 1 and "lists nothing that belongs to" in result.stderr, result.stderr)
    # An answer that it cannot give now is no answer that there is none.
    registry = Registry(referrers=(503, b""))
    fill(registry)
    result = run(registry, "copy", "--referrers", f"docker://{registry.host}/team/app:1", "oci:out:1")
    check("503 for referrers", result.returncode == 1 and "503" in result.stderr, result.stderr)


def prune():
    def prunes(name, says="", filled=(("v1.0.1", "v1"), ("v1.0.2", "v2"), ("v1.0.3", "v3"), ("v1.0.9", "v1")), **habits):
        registry = Registry(**habits)
        for tag, layout in filled:
            fill(registry, layout, tag)
        before = dict(registry.tags), set(registry.manifests)
        result = run(registry, "prune", f"{registry.host}/team/app", "--policy", "keep.yaml", "--yes", "--max-deletions", "100")
        if says:  # refused, and nothing has changed
            good = result.returncode == 1 and says in result.stderr and before == (dict(registry.tags), set(registry.manifests))
        else:  # the newest two stay, and what they name
            good = result.returncode == 0 and {"v1.0.3": digest_of("v3"), "v1.0.9": digest_of("v1")}.items() <= registry.tags.items() and \
                digest_of("v1") in registry.manifests and digest_of("v2") not in registry.manifests
        check("prune: " + name, good, result.stderr, *registry.log[-12:])
    prunes("one page")
    prunes("200 to DELETE", done={"DELETE manifest": 200})
    for link in ('</v2/NAME/tags/list?n=N&last=LAST>; rel="next"', "</v2/NAME/tags/list?n=N&last=LAST>", "<http://HOST/v2/NAME/tags/list?n=N&last=LAST>; rel=next",
                 "<list?n=N&last=LAST>", "<?last=LAST>; rel=next", '</x>; rel="first", <?last=LAST>; rel="next"', "/v2/NAME/tags/list?last=LAST; rel=next", "", None):
        prunes(f"pages, Link: {link}", page=3, link=link)
    prunes("pages without Link that are full", page=2, link=None)
    prunes("one page without `last`", knows_last=False)
    prunes("one page without `last` and `n`", knows_last=False, knows_n=False)
    prunes("the same page for ever", "a page of it comes twice", page=3, link="</v2/NAME/tags/list>; rel=next")
    prunes("pages elsewhere", "goes on at another host", page=3, link="<http://other.invalid/v2/NAME/tags/list?last=LAST>")
    prunes("500 on the second page", "500", page=3, fails_after=500)
    prunes("404 on the second page", "404", page=3, fails_after=404)
    for body in (b"<html>", b"", b"{}", b'{"errors": [{"code": "DENIED"}]}', b'{"name": "team/app", "tags": {"v1": 1}}', b'{"name": "team/app", "tags": ["v1.0.1", 7]}'):
        prunes(f"tags that are {body[:30]}", "the tags of", tag_body=lambda _, body=body: body)
    state = {"n": 0}

    def loses_one(tags):
        state["n"] += 1
        return json.dumps({"name": "team/app", "tags": [tag for tag in tags if state["n"] <= 2 or tag != "v1.0.9"]}).encode()
    prunes("a tag that is not listed any more", "lacks v1.0.9, which is there and was listed before", tag_body=loses_one)
    many = tuple((f"v1.0.{n}", "v1") for n in range(1, 99)) + (("v1.0.0", "v2"), ("v2.0.0", "v3"))
    prunes("100 tags, and no way to ask for more", "push one more tag and try again", many, knows_last=False, knows_n=False)


parts = [push, elsewhere, large, specification, mounts, tokens, pull, signatures, prune]
for part in parts:
    if ONLY in ("", part.__name__) or ONLY not in [one.__name__ for one in parts]:
        start = time.monotonic()
        part()
        if ONLY:
            print(f"{part.__name__}: {time.monotonic() - start:.1f} s")
check("each request obeys the specification", not broken_rules, *(f"{rule}: {request}" for rule, request in broken_rules.items()))
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0 or passed == 0)
