#!/usr/bin/python3
"""Judges `minibuild scan` by a reading of its own of the formats: documents and packages that are drawn at random, and what must be
found in them. Versions of Debian are compared by apt (python3-apt), those of Alpine by the few lines below.

    scan_judge.py osv SEED DIRECTORY       writes status, osv.json, want: lines of `ID PACKAGE`
    scan_judge.py alpine SEED DIRECTORY    writes installed, main.json, osv.json, want
    scan_judge.py cvss DIRECTORY           writes status, osv.json, want: lines of `ID SCORE SEVERITY` by the module `cvss`
"""
import functools
import itertools
import json
import pathlib
import random
import re
import sys


@functools.cache
def apt():
    import apt_pkg
    apt_pkg.init_system()
    return apt_pkg


@functools.cache
def deb_compare(a, b):
    return apt().version_compare(a, b)


SUFFIXES = {"alpha": -4, "beta": -3, "pre": -2, "rc": -1, "": 0, "p": 5}


def apk_key(version):
    numbers, letter, suffix, count, release = re.fullmatch(r"([\d.]+)([a-z]?)(?:_([a-z]+)(\d*))?-r(\d+)", version).groups()
    # A longer version is later: 1.2 < 1.2.0; it is so for suffixes too.
    return ([int(part) for part in numbers.split(".")], letter, SUFFIXES[suffix or ""], int(count or 0), int(release))


def apk_compare(a, b):
    a, b = apk_key(a), apk_key(b)
    # Compare the numbers first: 1.2a is after 1.2 and before 1.2.1? apk tells by what follows: a number is after a letter.
    if a[0] != b[0]:
        return 1 if a[0] > b[0] else -1
    return (a > b) - (a < b)


def deb_version(chance):
    text = ".".join(str(chance.randrange(4)) for _ in range(chance.randrange(1, 4)))
    text = chance.choice(["", "", "", "1:"]) + text + chance.choice(["", "", "~rc1", "+dfsg", "a"])
    return text + chance.choice(["", "-1", "-2", "-1+deb12u1", "-1~bpo1", "-1ubuntu1"])


def apk_version(chance):
    text = ".".join(str(chance.randrange(4)) for _ in range(3)) + chance.choice(["", "", "", "b"])
    return text + chance.choice(["", "", "", "_rc1", "_alpha2", "_p1", "_pre"]) + f"-r{chance.randrange(3)}"


def affected(entry, version, compare):
    """The evaluation of the OSV schema."""
    if version in entry.get("versions", []):
        return True
    for one in entry.get("ranges", []):
        if one["type"] != "ECOSYSTEM":
            continue

        def order(a, b):
            (a, kind_a), (b, kind_b) = a, b
            if a == "0" or b == "0":
                return (a != "0") - (b != "0")
            return compare(a, b)
        events = sorted(((value, kind) for event in one["events"] for kind, value in event.items()), key=functools.cmp_to_key(order))
        vulnerable = False
        for value, kind in events:
            at = 1 if kind == "introduced" and value == "0" else compare(version, value)
            if kind == "introduced" and at >= 0:
                vulnerable = True
            elif kind == "fixed" and at >= 0:
                vulnerable = False
            elif kind == "last_affected" and at > 0:
                vulnerable = False
        if vulnerable:
            return True
    return False


def ranges(chance, version, compare):
    """One or two ranges with different versions, in a random order."""
    out = []
    for _ in range(chance.choice([1, 1, 1, 2])):
        several = []
        while len(several) < 4:
            candidate = version(chance)
            if all(compare(candidate, other) != 0 for other in several):
                several.append(candidate)
        several.sort(key=functools.cmp_to_key(compare))
        events = [{"introduced": chance.choice(["0", several[0]])}]
        kind = chance.randrange(4)
        if kind == 1:
            events.append({"fixed": several[1]})
        elif kind == 2:
            events.append({"last_affected": several[1]})
        elif kind == 3:
            events += [{"fixed": several[1]}, {"introduced": several[2]}, {"fixed": several[3]}]
        chance.shuffle(events)
        out.append({"type": chance.choice(["ECOSYSTEM"] * 5 + ["GIT"]), "events": events})
    return out


def records(chance, ecosystem, others, names, version, compare, prefix):
    for number in range(400):
        cve = f"CVE-2024-{chance.randrange(1000, 1300)}"
        record = {"schema_version": "1.6.0", "id": f"{prefix}-{cve}", "modified": "2026-11-01T00:00:00Z", "details": "words\n\nmore"}
        form = chance.randrange(6)
        if form < 3:
            record["upstream"] = [cve]
        elif form == 3:
            record["id"] = f"DSA-{number + 1}-1"
            record["related" if chance.randrange(2) else "upstream"] = [cve, f"CVE-2024-{chance.randrange(1000, 1300)}"]
        elif form == 4:
            record["aliases"] = [cve, "GHSA-aaaa-bbbb-cccc"]
        if chance.randrange(12) == 0:
            record["withdrawn"] = "2026-01-01T00:00:00Z"
        record["affected"] = [{"package": {"ecosystem": chance.choice([ecosystem] * 4 + others), "name": chance.choice(names)},
                               "ranges": ranges(chance, version, compare), "versions": [version(chance) for _ in range(chance.randrange(4))]}
                              for _ in range(chance.randrange(1, 4))]
        yield record


def ids_of(record):
    names = [record["id"]] + record.get("upstream", []) + record.get("aliases", [])
    if record["id"].startswith("DSA-"):
        names += record.get("related", [])
    return {cve for name in names for cve in re.findall(r"CVE-\d{4}-\d{4,}", name)} or {record["id"]}


def osv_hits(documents, ecosystems, packages, compare):
    hits = set()
    for record in documents:
        if "withdrawn" in record:
            continue
        for entry in record["affected"]:
            for name, source, version in packages:
                if entry["package"]["ecosystem"] in ecosystems and entry["package"]["name"] == source and affected(entry, version, compare):
                    hits |= {(one, name) for one in ids_of(record)}
    return hits


def write(directory, name, text):
    (pathlib.Path(directory) / name).write_text(text)


def osv(seed, directory):
    chance = random.Random(int(seed))
    names = [f"src{i}" for i in range(40)]
    packages, status = [], ""
    for i in range(120):
        name, source, version = f"pkg{i}", chance.choice(names), deb_version(chance)
        packages.append((name, source, version))
        status += f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nSource: {source} ({version})\nVersion: {version}+b1\n\n"
    documents = list(records(chance, "Debian:12", ["Debian:11", "Debian", "npm"], names, deb_version, deb_compare, "DEBIAN"))
    write(directory, "status", status)
    write(directory, "osv.json", json.dumps(documents))
    hits = osv_hits(documents, {"Debian:12", "Debian"}, packages, deb_compare)
    write(directory, "want", "".join(sorted(f"{one} {name}\n" for one, name in hits)))


def alpine(seed, directory):
    chance = random.Random(int(seed))
    names = [f"origin{i}" for i in range(40)]
    packages, installed = [], ""
    for i in range(120):
        name, origin, version = f"pkg{i}", chance.choice(names), apk_version(chance)
        packages.append((name, origin, version))
        installed += f"C:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\nP:{name}\nV:{version}\nA:x86_64\no:{origin}\n\n"
    said = {}
    entries = []
    for origin in names[:30]:
        secfixes = {}
        for _ in range(chance.randrange(12)):
            version = chance.choice([apk_version(chance)] * 4 + ["0"])
            cve = f"CVE-2024-{chance.randrange(1000, 1300)}"
            text = cve + chance.choice(["", "", " GHSA-1111-2222-3333", " (+ regression fix for CVE-1999-0001)"])
            secfixes.setdefault(version, []).append(text)
            said.setdefault((origin, cve), []).append(version)
        entries.append({"pkg": {"name": origin, "secfixes": secfixes}})
    documents = list(records(chance, "Alpine:v3.20", ["Alpine:v3.19", "Debian:12"], names, apk_version, apk_compare, "ALPINE"))
    # Where the secdb speaks of a package and an id, OSV does not.
    hits = {(one, name) for one, name in osv_hits(documents, {"Alpine:v3.20"}, packages, apk_compare)
            if (dict((n, o) for n, o, _ in packages)[name], one) not in said}
    for (origin, cve), versions in said.items():
        real = [version for version in versions if version != "0"]
        hits |= {(cve, name) for name, source, version in packages
                 if source == origin and any(apk_compare(version, fixed) < 0 for fixed in real)}
    write(directory, "installed", installed)
    write(directory, "main.json", json.dumps({"distroversion": "v3.20", "reponame": "main", "packages": entries}))
    write(directory, "osv.json", "\n".join(map(json.dumps, documents)))
    write(directory, "want", "".join(sorted(f"{one} {name}\n" for one, name in hits)))


def cvss(directory):
    from cvss import CVSS3
    documents, want = [], ""
    metrics = {"AV": "NALP", "AC": "LH", "PR": "NLH", "UI": "NR", "S": "UC", "C": "HLN", "I": "HLN", "A": "HLN"}
    for number, values in enumerate(itertools.product("01", *metrics.values())):
        vector = f"CVSS:3.{values[0]}/" + "/".join(f"{name}:{value}" for name, value in zip(metrics, values[1:]))
        judged = CVSS3(vector)
        score = float(judged.base_score)
        # A score of nothing is a severity of its own here.
        severity = judged.severities()[0].lower().replace("none", "negligible")
        documents.append({"id": f"CVE-2024-{10000 + number}", "modified": "2026-11-01T00:00:00Z",
                          "severity": [{"type": "CVSS_V3", "score": vector}],
                          "affected": [{"package": {"ecosystem": "Debian:12", "name": "a"},
                                        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]}]})
        want += f"CVE-2024-{10000 + number} {score:g} {severity}\n"
    write(directory, "status", "Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n\n")
    write(directory, "osv.json", json.dumps(documents))
    write(directory, "want", want)


if __name__ == "__main__":
    {"osv": osv, "alpine": alpine, "cvss": cvss}[sys.argv[1]](*sys.argv[2:])
