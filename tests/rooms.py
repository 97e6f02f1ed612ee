#!/usr/bin/env python3
"""Checks that every room includes only rooms above it, and that no forbidden names are used."""
import pathlib
import re
import sys

LEVELS = {"base": 0, "oci": 1, "tree": 1, "spec": 2, "archive": 2, "store": 3, "sandbox": 3, "registry": 3, "packages": 3,
          "trust": 4, "project": 5, "build": 6, "pipeline": 7, "cli": 8}
FORBIDDEN = {"util", "utils", "common", "core", "misc", "helper", "helpers", "manager"}
# Where a third-party library may be used: the room that exists for it.
ONLY_IN = {"zstd.h": {"archive"}, "libdeflate.h": {"archive"}, "zlib.h": {"archive", "packages"}, "libfyaml.h": {"spec"},
           "openssl/": {"base", "packages", "trust"}, "CLI/": {"cli"}, "curl/": {"registry"}, "archive.h": {"archive"}, "archive_entry.h": {"archive"},
           "solv/": {"packages"}, "rnp/": {"packages"}, "re2/": {"tree", "trust"}, "sqlite3.h": {"trust"}, "sodium": {"trust"}, "p11-kit/": {"trust"}}


def main() -> int:
    top = pathlib.Path(sys.argv[1])
    faults = []
    count = 0
    for folder in ("builder", "include/minibuild"):
        for path in sorted((top / folder).rglob("*")):
            if path.suffix not in (".h", ".cpp"):
                continue
            count += 1
            parts = path.relative_to(top / folder).parts
            if path.stem in FORBIDDEN or FORBIDDEN & set(parts):
                faults.append(f"{path}: a name that says nothing")
            if len(parts) < 2:
                continue  # builder/main.cpp
            room = parts[0]
            if room not in LEVELS:
                faults.append(f"{path}: unknown room '{room}'")
                continue
            for line, text in enumerate(path.read_text().splitlines(), 1):
                found = re.match(r'\s*#include\s+["<]([^">]+)[">]', text)
                if not found:
                    continue
                name = found.group(1)
                inner = re.match(r"(?:minibuild|builder)/(\w+)/", name)
                if inner and inner.group(1) != room:
                    other = inner.group(1)
                    if name.startswith("builder/"):
                        faults.append(f"{path}:{line}: a private header of '{other}'")
                    elif LEVELS.get(other, 99) >= LEVELS[room]:
                        faults.append(f"{path}:{line}: '{room}' must not include '{other}'")
                for library, rooms in ONLY_IN.items():
                    if name.startswith(library) and room not in rooms:
                        faults.append(f"{path}:{line}: {library} belongs to {', '.join(sorted(rooms))}")
    for fault in faults:
        print(fault)
    print(f"{count} files, {len(faults)} faults")
    return 1 if faults or count < 20 else 0


if __name__ == "__main__":
    sys.exit(main())
