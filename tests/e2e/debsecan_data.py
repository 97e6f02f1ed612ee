#!/usr/bin/env python3
"""What the tracker's JSON says about one release, in the form that debsecan downloads (VERSION 1, zlib).

    debsecan_data.py TRACKER RELEASE > DIRECTORY/RELEASE
"""
import json
import sys
import zlib


def main(path, release):
    names, lines = [], []
    for source, records in json.load(open(path, encoding="utf-8")).items():
        for cve, record in records.items():
            facts = record["releases"].get(release)
            if facts is None or facts["status"] == "undetermined":
                continue
            fixed = facts.get("fixed_version", "")
            if facts["status"] == "resolved" and fixed == "0":
                continue
            urgency = {"low": "L", "medium": "M", "high": "H"}.get(facts["urgency"].rstrip("*"), " ")
            available = "F" if facts["status"] == "resolved" else " "
            lines.append(f"{source},{len(names)},S{urgency}R{available},{fixed if available == 'F' else ''},")
            names.append(f"{cve},,{record.get('description', '')}")
    text = "VERSION 1\n" + "\n".join(names) + "\n\n" + "\n".join(lines) + "\n\n\n"
    sys.stdout.buffer.write(zlib.compress(text.encode()))


if __name__ == "__main__":
    main(*sys.argv[1:])
