#!/usr/bin/env python3
"""policy.py MINIBUILD SCRATCH: for every rule of policies an image that breaks it, and the smallest change that satisfies it.

Each is held against deny, warn, an exception, and the rule's default; at `check`, at `build` and by `check --image`. Images of
other builders are written here, by Python alone.
"""
import atexit
import concurrent.futures
import gzip
import hashlib
import io
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading

MINIBUILD, SCRATCH = sys.argv[1], pathlib.Path(sys.argv[2]) / "rules"
failures = checks = 0


lock = threading.Lock()


def expect(name, right, text=""):
    global failures, checks
    with lock:
        checks += 1
        if right:
            return
        failures += 1
        print(f"FAILED: {name}" + "".join("\n    " + line for line in str(text).splitlines()[:25]))


def run(directory, *arguments):
    done = subprocess.run([MINIBUILD, *arguments], cwd=directory, capture_output=True, timeout=100)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


# --- images of other builders -----------------------------------------------------------------------------------------

def tar_of(entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, mode, data, xattrs in entries:
            info = tarfile.TarInfo(path)
            info.mode, info.size = mode, len(data)
            info.pax_headers = {"SCHILY.xattr." + name: value for name, value in xattrs.items()}
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def entry(path, mode=0o644, data=b"x", **xattrs):
    return (path, mode, data, xattrs)


def write_image(place, entries, config=None, annotations=None, form="oci"):
    """An image of one layer: as OCI layout, or as an archive of `docker save`."""
    layer = tar_of(entries)
    digest = lambda data: "sha256:" + hashlib.sha256(data).hexdigest()
    document = json.dumps({"architecture": "amd64", "os": "linux", "config": {"User": "65532:65532", **(config or {})},
                           "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
                           "history": [{"created_by": "COPY . . # buildkit"}]}).encode()
    if form == "docker":
        with tarfile.open(place, "w") as tar:
            def add(name, data):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
            add("abc/layer.tar", layer)
            add("config.json", document)
            add("manifest.json", json.dumps([{"Config": "config.json", "RepoTags": ["registry.example.com/app:1"],
                                              "Layers": ["abc/layer.tar"]}]).encode())
        return
    blobs = pathlib.Path(place) / "blobs/sha256"
    blobs.mkdir(parents=True)

    def put(data, kind):
        (blobs / hashlib.sha256(data).hexdigest()).write_bytes(data)
        return {"mediaType": kind, "digest": digest(data), "size": len(data)}

    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": put(document, "application/vnd.oci.image.config.v1+json"),
                "layers": [put(gzip.compress(layer, mtime=0), "application/vnd.oci.image.layer.v1.tar+gzip")]}
    if annotations:
        manifest["annotations"] = annotations
    index = {"schemaVersion": 2, "manifests": [put(json.dumps(manifest).encode(), manifest["mediaType"])]}
    (pathlib.Path(place) / "index.json").write_text(json.dumps(index))
    (pathlib.Path(place) / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


# --- specs: what breaks a rule, and what its message asks for ---------------------------------------------------------

def file(path, content="x\n", mode=None):
    return {"file": path, "content": content, **({"mode": mode} if mode else {})}


PROGRAM = pathlib.Path("/usr/bin/true")


def static_program():
    """One that needs nothing."""
    scratch = pathlib.Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, scratch)
    subprocess.run(["cc", "-static", "-s", "-x", "c", "-o", str(scratch / "static"), "-"], input=b"int main(void) { return 0; }\n", check=True)
    return scratch / "static"


STATIC = static_program()
TOKEN = "ghp_" + hashlib.sha256(b"a token of nobody").hexdigest()[:36]
DPKG = "Package: libfoo\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n"


def with_program(directory):
    shutil.copyfile(PROGRAM, directory / "true")
    (directory / "true").chmod(0o755)
    shutil.copyfile(STATIC, directory / "static")
    (directory / "static").chmod(0o755)


def with_git(directory):
    (directory / "app/.git").mkdir(parents=True)
    (directory / "app/.git/config").write_text("x")
    (directory / "app/main").write_text("x")


def with_large(directory):
    import random
    (directory / "large").write_bytes(random.Random(1).randbytes(2000000))


PROGRAM_COPY = [{"from": "true", "to": "/usr/bin/app"}]
STATIC_COPY = [{"from": "static", "to": "/usr/bin/app"}]

# rule, what it is on by default, keys that break it, keys that satisfy it, {path: of the file, setup, early: check sees it,
# policy: keys of the policy besides}
CASES = [
    ("architecture", "warning", {"copy": STATIC_COPY, "platforms": ["linux/arm64"], "files": [file("/var/lib/dpkg/status", DPKG)]},
     {"copy": STATIC_COPY, "platforms": ["linux/amd64"], "files": [file("/var/lib/dpkg/status", DPKG)]},
     {"path": "/usr/bin/app", "setup": with_program, "early": False}),
    ("compiler", "warning", {"files": [file("/usr/bin/x86_64-linux-gnu-gcc-12", mode="0755")]}, {}, {"path": "/usr/bin/x86_64-linux-gnu-gcc-12"}),
    ("compiler", "warning", {"files": [file("/usr/local/bin/make", mode="0755")]}, {"remove": ["/usr/local/bin/make"]}, {"path": "/usr/local/bin/make"}),
    ("duplicate-account", "off", {"files": [file("/etc/passwd", "a:x:5:5::/:/x\nb:x:5:5::/:/x\n")]},
     {"files": [file("/etc/passwd", "a:x:5:5::/:/x\nb:x:6:5::/:/x\n")]}, {"path": "/etc/passwd"}),
    ("duplicate-account", "off", {"files": [file("/etc/group", "a:x:5:\na:x:6:\n")]}, {"files": [file("/etc/group", "a:x:5:\n")]},
     {"path": "/etc/group"}),
    ("empty-password", "off", {"files": [file("/etc/passwd", "app::5:5::/:/x\n")]}, {"files": [file("/etc/passwd", "app:*:5:5::/:/x\n")]},
     {"path": "/etc/passwd"}),
    ("empty-password", "off", {"files": [file("/etc/shadow", "app::19000:0:99999:7:::\n")]},
     {"files": [file("/etc/shadow", "app:!:19000:0:99999:7:::\n")]}, {"path": "/etc/shadow"}),
    ("entrypoint", "warning", {"entrypoint": ["/usr/bin/app"]}, {"entrypoint": ["/usr/bin/app"], "copy": STATIC_COPY},
     {"setup": with_program, "early": False}),
    ("entrypoint", "warning", {"entrypoint": ["/usr/bin/app"], "copy": [{**STATIC_COPY[0], "mode": "0644"}]},
     {"entrypoint": ["/usr/bin/app"], "copy": STATIC_COPY}, {"setup": with_program, "early": False}),
    ("entrypoint", "error", {"entrypoint": ["app"], "copy": STATIC_COPY, "platforms": ["linux/arm64"]},
     {"entrypoint": ["app"], "copy": STATIC_COPY, "platforms": ["linux/amd64"]}, {"setup": with_program, "early": False}),
    ("entrypoint", "warning", {"entrypoint": ["/run.sh"], "files": [file("/run.sh", "echo\n", "0755")]},
     {"entrypoint": ["/run.sh"], "files": [file("/run.sh", "#!/usr/bin/app\n", "0755")], "copy": STATIC_COPY},
     {"setup": with_program, "early": False}),
    ("entrypoint", "warning", {"entrypoint": ["/run.sh"], "files": [file("/run.sh", "#! /usr/bin/app -x\n", "0755")]},
     {"entrypoint": ["/run.sh"], "files": [file("/run.sh", "#! /usr/bin/app -x\n", "0755")], "copy": STATIC_COPY},
     {"setup": with_program, "early": False}),
    ("file-capabilities", "off", {"base": "oci:capable.oci"}, {"base": "oci:capable.oci", "remove": ["/usr/bin/ping"]},
     {"path": "/usr/bin/ping", "early": False,
      "setup": lambda d: write_image(d / "capable.oci", [entry("usr/bin/ping", 0o755, **{"security.capability": "\x01\x00\x00\x02\x00\x20"})])}),
    ("label-schema", "off", {"labels": {"org.opencontainers.image.source": "somewhere"}},
     {"labels": {"org.opencontainers.image.source": "https://git.example.com/app"}}, {}),
    ("label-schema", "off", {"labels": {"Maintainer": "x"}}, {"labels": {"maintainer": "x"}}, {}),
    ("label-schema", "off", {"labels": {"org.opencontainers.image.created": "yesterday"}},
     {"labels": {"org.opencontainers.image.created": "2026-01-31T00:00:00Z"}}, {}),
    ("label-schema", "off", {"labels": {"org.opencontainers.image.revision": "1a2b3c4d"}},
     {"labels": {"org.opencontainers.image.revision": "1a2b3c4d" * 5}}, {}),
    ("latest-tag", "warning", {"image": "registry.example.com/team/app:latest"}, {"image": "registry.example.com/team/app:1"}, {"image": False}),
    ("latest-tag", "warning", {"image": "registry.example.com/team/app"}, {"image": "registry.example.com/team/app:1"}, {"image": False}),
    ("leftover", "off", {"files": [file("/root/.bash_history")]}, {}, {"path": "/root/.bash_history"}),
    ("leftover", "off", {"copy": [{"from": "app", "to": "/app"}]}, {"copy": [{"from": "app", "to": "/app", "exclude": ["/app/.git/**", ".git"]}]},
     {"path": "/app/.git", "setup": with_git}),
    ("leftover", "off", {"files": [file("/var/lib/apt/lists/x_Packages")]}, {"files": [file("/var/lib/apt/lists/x_Packages")], "remove": ["/var/lib/apt/lists"]},
     {"path": "/var/lib/apt/lists"}),
    ("max-size", "error", {"copy": [{"from": "large", "to": "/large"}]}, {}, {"setup": with_large, "early": False, "policy": {"max-size": "1.9MB"}}),
    ("missing-label", "error", {"labels": {"org.opencontainers.image.vendor": "x"}}, {"labels": {"org.opencontainers.image.vendor": "x", "com.example.team": "us"}},
     {"policy": {"required-labels": ["org.opencontainers.image.vendor", "com.example.team"]}}),
    ("missing-label", "error", {"labels": {"com.example.team": ""}}, {"labels": {"com.example.team": "us"}},
     {"policy": {"required-labels": ["com.example.team"]}}),
    ("missing-library", "warning", {"copy": PROGRAM_COPY, "files": [file("/var/lib/dpkg/status", DPKG)]},
     {"copy": [{**PROGRAM_COPY[0], "from": "true"}], "files": [file("/var/lib/dpkg/status", DPKG)], "remove": ["/usr/bin/app"]},
     {"path": "/usr/bin/app", "setup": with_program, "early": False}),
    ("network", "warning", {"stages": {"get": {"base": "host", "network": "full", "run": "true"}}}, {"stages": {"get": {"base": "host", "run": "true"}}},
     {"image": False}),
    ("package-manager", "warning", {"files": [file("/usr/bin/apt-get", mode="0755")]}, {"files": [file("/usr/bin/apt-get")]}, {"path": "/usr/bin/apt-get"}),
    ("relative-workdir", "off", {"base": "oci:relative.oci"}, {"base": "oci:relative.oci", "workdir": "/app"},
     {"early": False, "setup": lambda d: write_image(d / "relative.oci", [entry("a")], {"WorkingDir": "app"})}),
    ("root-user", "error", {"user": None}, {"user": 65532}, {}),
    ("root-user", "error", {"user": None, "base": "oci:root.oci"}, {"user": 5, "base": "oci:root.oci"},
     {"early": False, "setup": lambda d: write_image(d / "root.oci", [entry("a")], {"User": "0:0"})}),
    ("secret", "error", {"files": [file("/etc/app.conf", "token = " + TOKEN + "\n")]},
     {"files": [file("/etc/app.conf", "token = " + TOKEN + "  # minibuild:allow: of nobody\n")]}, {"path": "/etc/app.conf"}),
    ("secret", "error", {"env": {"API_TOKEN": TOKEN}}, {"env": {"API_TOKEN_FILE": "/run/secrets/token"}}, {}),
    ("secret", "error", {"labels": {"com.example.note": TOKEN}}, {"labels": {"com.example.note": "none"}}, {}),
    ("setuid", "warning", {"files": [file("/usr/bin/su", mode="4755")]}, {"files": [file("/usr/bin/su", mode="0755")]}, {"path": "/usr/bin/su"}),
    ("setuid", "warning", {"files": [file("/usr/bin/write", mode="2755")]}, {"files": [file("/usr/bin/write", mode="0755")]}, {"path": "/usr/bin/write"}),
    ("shell", "warning", {"files": [file("/bin/sh", mode="0755")]}, {"files": [file("/bin/sh", mode="0755")], "remove": ["/bin/sh"]}, {"path": "/bin/sh"}),
    ("shell-form", "off", {"entrypoint": ["/bin/sh", "-c", "app --flag"]}, {"entrypoint": ["/usr/bin/app", "--flag"]}, {}),
    ("ssh-port", "off", {"ports": [22, 8080]}, {"ports": [8080]}, {}),
    ("system-mount", "off", {"volumes": ["/proc/x"]}, {"volumes": ["/process"]}, {}),
    ("system-mount", "off", {"workdir": "/sys/fs"}, {"workdir": "/system"}, {}),
    ("untrusted-base", "error", {"base": "oci:base.oci"}, {"base": "oci:base.oci", "policy": {"trusted-bases": ["oci:base*"]}},
     {"setup": lambda d: write_image(d / "base.oci", [entry("a")]), "policy": {"trusted-bases": ["registry.example.com/base/**"]}, "image": False}),
    ("world-writable", "warning", {"files": [file("/etc/open", mode="0666")]}, {"files": [file("/etc/open", mode="0664")]}, {"path": "/etc/open"}),
    ("world-writable", "warning", {"files": [{"directory": "/var/tmp", "mode": "0777"}]}, {"files": [{"directory": "/var/tmp", "mode": "1777"}]},
     {"path": "/var/tmp"}),
]

number = 0


def attempt(name, case, keys, policy):
    """check and build of a spec: ((status, rules), status, output of build, directory)."""
    global number
    with lock:
        number += 1
        directory = SCRATCH / f"{number}"
    directory.mkdir(parents=True)
    options = case[4]
    options.get("setup", lambda d: None)(directory)
    own = {**options.get("policy", {}), **policy, **keys.get("policy", {})}
    spec = {"minibuild": 1, "image": "registry.example.com/team/app:1", "user": 65532, "platforms": ["linux/amd64"], **keys, "policy": own}
    if not own:
        del spec["policy"]
    (directory / "minibuild.yaml").write_text(json.dumps({key: value for key, value in spec.items() if value is not None}))
    status, out, error = run(directory, "check", "--format", "json")
    found = [(one["rule"], one["severity"]) for one in json.loads(out)["diagnostics"]] if out else []
    built, stdout, said = run(directory, "build", "--progress", "plain", "minibuild.yaml", "-o", "oci:out.oci", "--metadata-file", "meta.json")
    if built == 3:
        left = sorted(path.name for path in directory.iterdir() if path.name in ("out.oci", "meta.json", "minibuild.lock.json"))
        expect(f"{name}: refused, and nothing is written", left == [] and stdout == "", f"{left} {stdout}")
    return (status, found, error), built, said, directory


def rule_case(case):
    rule, default, broken, fixed, options = case
    name = f"{rule} ({json.dumps(broken)[:60]})"
    early = options.get("early", True)
    path = options.get("path")
    # Denied.
    (status, found, error), built, said, directory = attempt(name, case, broken, {"deny": [rule]})
    expect(f"{name}: denied, check", (status == 3 and (rule, "error") in found) if early else rule not in dict(found), f"{status} {found} {error}")
    expect(f"{name}: denied, build", built == 3, f"{built} {said}")
    for needed in (f"[{rule}]", "  why: ", "  fix: ", "minibuild.yaml:1:"):
        expect(f"{name}: the message has {needed}", needed in said, said)
    if path:
        expect(f"{name}: the path is named", path in said, said)
    # The secret itself is never shown, though the line of the spec has it.
    expect(f"{name}: no credential is shown", TOKEN not in said + error, said)
    # Satisfied.
    (status, found, error), built, said, directory = attempt(name, case, fixed, {"deny": [rule]})
    expect(f"{name}: mended, check", status == 0 and rule not in dict(found), f"{status} {found} {error}")
    expect(f"{name}: mended, build", built == 0, f"{built} {said}")
    if options.get("image", True) and not fixed.get("policy") and built == 0:
        (directory / "team.yaml").write_text(json.dumps({"deny": [rule], **options.get("policy", {})}))
        status, out, error = run(directory, "check", "--image", "out.oci", "--policy", "team.yaml", "--format", "json")
        expect(f"{name}: mended, check --image", status == 0 and rule not in out, f"{status} {out} {error}")
    # A warning.
    (status, found, error), built, said, directory = attempt(name, case, broken, {"warn": [rule]})
    expect(f"{name}: warned, check", status == 0 and ((rule, "warning") in found) == early, f"{status} {found} {error}")
    expect(f"{name}: warned, build", built == 0 and f"{rule}: warning: " in said, f"{built} {said}")
    # The image that was built with a warning, by itself.
    if options.get("image", True) and built == 0:
        (directory / "team.yaml").write_text(json.dumps({"policy": {"deny": [rule], **options.get("policy", {})}}))
        status, out, error = run(directory, "check", "--image", "out.oci", "--policy", "team.yaml", "--format", "json")
        violations = [one for one in json.loads(out)["violations"] if one["rule"] == rule] if out else []
        expect(f"{name}: check --image", status == 3 and violations and violations[0]["level"] == "error", f"{status} {out} {error}")
        if violations:
            want = {"rule", "level", "message", "why", "fix"}
            expect(f"{name}: fields", want <= set(violations[0]) <= want | {"path", "id", "place"} and all(violations[0][key] for key in want), violations)
            expect(f"{name}: path", not path or violations[0].get("path") == path, violations)
        status, out, error = run(directory, "check", "--image", "oci:out.oci", "--policy", "team.yaml")
        expect(f"{name}: check --image, text", f"error: [{rule}]" in error and "why: " in error and "fix: " in error and out == "", error)
    # What holds without a word about it.
    (status, found, error), built, said, directory = attempt(name, case, broken, {})
    expect(f"{name}: by default {default}", built == (3 if default == "error" else 0) and (f"{rule}: warning" in said) == (default == "warning"),
           f"{built} {said}")
    # Exceptions.
    for allow, status_wanted in [({}, 0), ({"path": path}, 0), ({"path": "/elsewhere/*"}, 3)] if path else [({}, 0)]:
        policy = {"deny": [rule], "allow": [{"rule": rule, "reason": "a test", **allow}]}
        (status, found, error), built, said, directory = attempt(name, case, broken, policy)
        expect(f"{name}: allowed {allow}, build", built == status_wanted, f"{built} {said}")
        expect(f"{name}: allowed {allow}, check", status == (status_wanted if early else 0), f"{status} {error}")


def foreign_images():
    """The same image in two forms of others: the same findings."""
    directory = SCRATCH / "foreign"
    directory.mkdir(parents=True)
    entries = [entry("bin/sh", 0o755), entry("usr/bin/su", 0o4755), entry("etc/shadow", 0o640, b"a::1::::::\n"), entry("root/.npmrc", 0o666),
               entry("app/key", 0o600, ("key: " + TOKEN).encode()), entry("usr/bin/cc", 0o755), entry("usr/bin/dpkg", 0o755)]
    config = {"User": "", "ExposedPorts": {"22/tcp": {}}, "Volumes": {"/dev/x": {}}, "WorkingDir": "srv", "Cmd": ["sh", "-c", "x"],
              "Env": ["DB_PASSWORD=" + TOKEN[5:25]], "Labels": {"org.opencontainers.image.url": "x"}}
    write_image(directory / "a.oci", entries, config, {"org.opencontainers.image.base.name": "registry.example.com/other:1"})
    write_image(directory / "a.tar", entries, config, form="docker")
    names = ["compiler", "empty-password", "label-schema", "package-manager", "relative-workdir", "root-user", "secret", "setuid", "shell",
             "shell-form", "ssh-port", "system-mount", "world-writable", "missing-label", "max-size"]
    (directory / "team.yaml").write_text("deny: [" + ", ".join(names + ["untrusted-base"]) + "]\nmax-size: 100\nrequired-labels: [a]\n"
                                         "trusted-bases: [\"registry.example.com/base/**\"]\n")
    found = {}
    for image in ("a.oci", "a.tar"):
        status, out, error = run(directory, "check", "--image", image, "--policy", "team.yaml", "--format", "json")
        found[image] = sorted({one["rule"] for one in json.loads(out)["violations"] if one["level"] == "error"})
        expect(f"{image}: status", status == 3, error)
    expect("a layout of others", found["a.oci"] == sorted(names + ["untrusted-base"]), found["a.oci"])
    expect("an archive of others", found["a.tar"] == sorted(names), found["a.tar"])
    # The forms of output agree; no form shows a credential.
    for image in ("a.oci", "a.tar"):
        outputs = {form: run(directory, "check", "--image", image, "--policy", "team.yaml", "--format", form) for form in ("text", "json", "sarif")}
        expect(f"{image}: no credential in any form", not any(TOKEN[5:25] in out + error for _, out, error in outputs.values()), "")
        sarif = json.loads(outputs["sarif"][1])["runs"][0]
        violations = json.loads(outputs["json"][1])["violations"]
        expect(f"{image}: SARIF has the same", [one["ruleId"] for one in sarif["results"]] == [one["rule"] for one in violations], sarif)
        expect(f"{image}: rules of SARIF are explained",
               all(sarif["tool"]["driver"]["rules"][one["ruleIndex"]]["id"] == one["ruleId"] for one in sarif["results"]) and
               all(rule["fullDescription"]["text"] and rule["help"]["text"] for rule in sarif["tool"]["driver"]["rules"]), sarif)


def named_user():
    """A spec's image always has a number; others write names."""
    directory = SCRATCH / "named"
    directory.mkdir(parents=True)
    (directory / "team.yaml").write_text("deny: [user-name]\n")
    for user, status in (("app", 3), ("app:staff", 3), ("1000:staff", 0), ("1000", 0)):
        shutil.rmtree(directory / "a.oci", ignore_errors=True)
        write_image(directory / "a.oci", [entry("etc/passwd", 0o644, b"app:x:5:5::/:/x\n")], {"User": user})
        got, out, error = run(directory, "check", "--image", "a.oci", "--policy", "team.yaml")
        expect(f"user-name: {user}", got == status and ("[user-name]" in error) == (status == 3), f"{got} {error}")
    (directory / "minibuild.yaml").write_text('{"minibuild": 1, "base": "oci:named.oci", "policy": {"deny": ["user-name"]}}')
    write_image(directory / "named.oci", [entry("etc/passwd", 0o644, b"app:x:5:5::/:/x\n")], {"User": "app"})
    got, out, error = run(directory, "build", "minibuild.yaml", "-o", "oci:out.oci")
    expect("user-name: a build writes the number", got == 0, error)


def main():
    SCRATCH.mkdir(parents=True)
    only = sys.argv[3] if len(sys.argv) > 3 else ""
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        list(pool.map(rule_case, [case for case in CASES if only in case[0]]))
    if not only:
        foreign_images()
        named_user()
        # Every rule that there is has a case, here or where its databases and registries are.
        schema = json.loads(run(SCRATCH, "schema")[1])
        known = set(re.findall(r'"enum": \[([^]]*"world-writable"[^]]*)\]', json.dumps(schema))[0].replace('"', "").replace(" ", "").split(","))
        expect("every rule is tried", known - {case[0] for case in CASES} == {"max-severity", "unpinned", "user-name"}, known - {case[0] for case in CASES})
    print(f"rules: {checks - failures} passed, {failures} failed")
    return 1 if failures or not checks else 0


sys.exit(main())
