#!/usr/bin/env python3
"""Makes a document in the form of the Debian security tracker's JSON for the packages of a dpkg status file: real source names, fixed
versions around those that are installed, every status. And an older status file, with versions before those.

    tracker_data.py tracker STATUS SEED > tracker.json
    tracker_data.py older STATUS SEED > status
    tracker_data.py lines DIRECTORY SEED       tracker.json, status and debsecan's data about bookworm, in which packages are of other
                                               releases too: backports, and what came from trixie or sid
"""
import json
import random
import re
import sys
import zlib


def paragraphs(path):
    for text in open(path, encoding="utf-8").read().split("\n\n"):
        fields = {}
        for line in text.splitlines():
            if line[:1] not in (" ", "\t") and ":" in line:
                name, value = line.split(":", 1)
                fields[name] = value.strip()
        if fields:
            yield fields


def source_of(fields):
    found = re.fullmatch(r"(\S+)(?: \((\S+)\))?", fields.get("Source", fields["Package"]))
    return found.group(1), found.group(2) or fields["Version"]


def near(random, version):
    """A version that is before, after or the same as the given one."""
    epoch, _, rest = version.rpartition(":")
    upstream, _, revision = rest.rpartition("-")
    choice = random.randrange(9)
    if choice == 0:
        return version
    if choice == 1:
        return version + "+deb12u1"
    if choice == 2:
        return version + "~exp1"
    if choice == 3:
        return bump(version, 1)
    if choice == 4:
        return bump(version, -1)
    if choice == 5:
        return f"{int(epoch or 0) + 1}:{rest}"
    if choice == 6:
        return rest
    if choice == 7:
        return (f"{epoch}:" if epoch else "") + (upstream or rest) + "-0.1"
    return (f"{epoch}:" if epoch else "") + "0.9~rc1-1"


def bump(version, by):
    numbers = list(re.finditer(r"\d+", version))
    last = numbers[-1]
    return version[:last.start()] + str(max(0, int(last[0]) + by)) + version[last.end():]


def facts(random, version):
    urgency = random.choice(["not yet assigned"] * 6 + ["unimportant", "low", "medium", "high", "low**", "medium**", "high**"])
    kind = random.randrange(10)
    out = {"status": "resolved", "repositories": {"any": version}, "urgency": urgency}
    if kind < 5:
        out["fixed_version"] = near(random, version)
    elif kind < 7:
        out["fixed_version"] = "0"
    elif kind == 7:
        out["status"] = "undetermined"
    else:
        out["status"] = "open"
        if kind == 9:
            out["nodsa"], out["nodsa_reason"] = "Minor issue", random.choice(["", "ignored", "postponed"])
        if random.randrange(12) == 0:
            out["urgency"] = "end-of-life"
    return out


def tracker(path, seed):
    chance = random.Random(seed)
    sources = {}
    for fields in paragraphs(path):
        if "Version" in fields:
            name, version = source_of(fields)
            if "~bpo" not in version:  # backports are judged by another release, see `lines`
                sources.setdefault(name, []).append(version)
    document, number = {}, 1000
    for name in sorted(sources):
        records = {}
        for _ in range(chance.randrange(6)):
            number += 1
            cve = f"CVE-20{chance.randrange(10, 27)}-{number}" if chance.randrange(20) else f"TEMP-{number:07}-ABCDEF"
            releases = {release: facts(chance, chance.choice(sources[name]))
                        for release in ("bullseye", "bookworm") if chance.randrange(8)}
            records[cve] = {"description": f"An issue in {name}, \"quoted\", with an é", "debianbug": number, "scope": "remote",
                            "releases": releases}
        if records:
            document[name] = records
    for name in ("linux", "not-installed"):
        document.setdefault(name, {})[f"CVE-2024-{number + 1}"] = {"releases": {"bookworm": {
            "status": "open", "repositories": {"bookworm": "1"}, "urgency": "high"}}}
    print(json.dumps(document, ensure_ascii=False))


def older(path, seed):
    chance = random.Random(seed)
    for number, fields in enumerate(paragraphs(path)):
        if "Version" not in fields:
            continue
        name, version = source_of(fields)
        old = near(chance, version)
        print(f"Package: {fields['Package']}")
        print("Status: " + ("deinstall ok config-files" if number % 17 == 3 else "hold ok installed" if number % 17 == 5
                            else "install ok installed"))
        print(f"Architecture: {fields.get('Architecture', 'amd64')}")
        if name != fields["Package"] or number % 5 == 0:
            # Rebuilt packages have a version of their own.
            print(f"Source: {name}" + (f" ({old})" if number % 3 == 0 else ""))
        print(f"Version: {old}" + ("+b1" if number % 3 == 0 else ""))
        print("Description: older\n text\n")


def lines(directory, seed):
    """debsecan knows the versions that are fixed one by one (its `other_versions`), and the one that fixed unstable: what is below that
    one and not among those is vulnerable. So each release has a history here, of which all fixed versions are told."""
    chance = random.Random(seed)
    document, status, cves, rows = {}, "", [], []
    for number in range(120):
        name = f"source{number}"
        major = chance.randrange(1, 9)
        update = chance.choice(["+deb12u", "~deb12u"])
        history = {"bookworm": [f"{major}.2-3", *(f"{major}.2-3{update}{i}" for i in (1, 2))] if chance.randrange(2) else [f"{major}.2.{i}-1" for i in (3, 9, 170)],
                   "trixie": [f"{major}.12.{i}-1" for i in (3, 20, 88)] + [f"{major}.12.88-2"], "sid": [f"{major + 1}.0-1", f"{major + 1}.0.5-1", f"{major + 1}.1-1"]}
        if update == "~deb12u":
            history["bookworm"].sort(key=lambda v: "~" not in v)
        if chance.randrange(6) == 0:
            del history["bookworm"]
        records = {}
        for _ in range(chance.randrange(1, 5)):
            cve = f"CVE-2025-{1000 + len(cves)}"
            fixed = {release: chance.choice([None, *versions, "0"]) for release, versions in history.items()}
            if fixed["sid"] is None and chance.randrange(3):
                fixed["sid"] = history["sid"][1]
            if fixed["sid"] == "0":  # debsecan has no form for it
                fixed["sid"] = history["sid"][0]
            records[cve] = {"description": "x", "scope": "local", "releases": {
                release: {"status": "open" if fixed[release] is None else "resolved", "repositories": {release: versions[-1], f"{release}-security": versions[0]},
                          "urgency": "not yet assigned", **({"fixed_version": fixed[release]} if fixed[release] is not None else {})}
                for release, versions in history.items()}}
            good = []
            for release, versions in history.items():
                if fixed[release] is not None:
                    good += versions[0 if fixed[release] == "0" else versions.index(fixed[release]):]
            good += [version + "~bpo12+1" for version in good if version in history["trixie"]]
            rows.append(f"{name},{len(cves)},S R ,{fixed['sid'] or ''},{' '.join(good)}")
            cves.append(f"{cve},,x")
        document[name] = records
        for i, version in enumerate(chance.sample([v for versions in history.values() for v in versions] + [v + "~bpo12+1" for v in history["trixie"]], 4)):
            status += f"Package: p{number}-{i}\nSource: {name} ({version})\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n"
    with open(f"{directory}/tracker.json", "w") as out:
        json.dump(document, out)
    with open(f"{directory}/status", "w") as out:
        out.write(status)
    with open(f"{directory}/bookworm", "wb") as out:
        out.write(zlib.compress(("VERSION 1\n" + "\n".join(cves) + "\n\n" + "\n".join(rows) + "\n\n\n").encode()))


if __name__ == "__main__":
    {"tracker": tracker, "older": older, "lines": lines}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
