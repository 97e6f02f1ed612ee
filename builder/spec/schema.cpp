// The JSON Schema of the language. A test holds it against the keys that the parser knows.
#include "minibuild/spec/spec.h"

namespace minibuild::spec {

std::string json_schema() {
  std::string schema = R"JSON({
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "minibuild spec",
  "description": "A container image that is assembled, never executed.",
  "type": "object",
  "required": ["minibuild"],
  "additionalProperties": false,
  "properties": {
    "minibuild": { "const": 1, "description": "The version of this language." },
    "image": { "description": "The name of what is built, one or a list: registry.example.com/team/hello:1.4.2", "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] },
    "args": { "description": "Arguments, used as ${NAME}; --set NAME=VALUE replaces a value.", "type": "object", "additionalProperties": { "$ref": "#/$defs/scalar" } },
    "stages": { "description": "Steps that run commands in a sandbox; what they leave is taken with copy.", "type": "object", "additionalProperties": { "$ref": "#/$defs/stage" } },
    "base": { "$ref": "#/$defs/base" },
    "sources": {
      "description": "Repositories of packages, by name.",
      "type": "object",
      "additionalProperties": {
        "type": "object",
        "required": ["keys"],
        "additionalProperties": false,
        "properties": {
          "deb": { "type": "string", "description": "The URL above dists/ of a Debian repository: https, http or file." },
          "apk": { "type": "string", "description": "The URL above the repositories of Alpine's format." },
          "suites": { "type": "array", "items": { "type": "string" }, "description": "deb: trixie, trixie-updates ..." },
          "components": { "type": "array", "items": { "type": "string" }, "description": "deb: default main." },
          "repositories": { "type": "array", "items": { "type": "string" }, "description": "apk: main, community; none if the URL is that of one." },
          "keys": { "type": "array", "items": { "type": "string" }, "description": "Files with the public keys that indexes are signed with." },
          "check-valid-until": { "type": "boolean", "description": "deb: refuse an index that has expired; default true." },
          "priority": { "type": "integer", "minimum": 0, "maximum": 1000, "description": "A package is taken from the source with the highest priority that has it. Without it, sources come after those that have one, in their order." }
        }
      }
    },
    "packages": { "$ref": "#/$defs/packages" },
    "trim": {
      "description": "Keep of the packages only what the entrypoint needs.",
      "anyOf": [
        { "type": "boolean" },
        { "type": "object", "additionalProperties": false, "properties": { "keep": { "type": "array", "items": { "type": "string" } } } }
      ]
    },
    "package-database": { "enum": ["status.d", "dpkg"], "description": "Debian: one file for each package, or dpkg's whole database." },
    "copy": { "$ref": "#/$defs/copies" },
    "files": { "$ref": "#/$defs/files" },
    "remove": { "description": "Globs of what is taken out of the tree.", "type": "array", "items": { "type": "string" } },
    "accounts": {
      "description": "Written to /etc/passwd and /etc/group.",
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "users": {
          "type": "array",
          "items": {
            "type": "object",
            "required": ["name", "uid"],
            "additionalProperties": false,
            "properties": {
              "name": { "type": "string" },
              "uid": { "$ref": "#/$defs/id" },
              "gid": { "$ref": "#/$defs/id", "description": "Default: the uid." },
              "home": { "type": "string", "description": "Default: /home/NAME." },
              "shell": { "type": "string", "description": "Default: /sbin/nologin." },
              "gecos": { "type": "string" }
            }
          }
        },
        "groups": {
          "type": "array",
          "items": {
            "type": "object",
            "required": ["name", "gid"],
            "additionalProperties": false,
            "properties": {
              "name": { "type": "string" },
              "gid": { "$ref": "#/$defs/id" },
              "members": { "type": "array", "items": { "type": "string" } }
            }
          }
        }
      }
    },
    "user": { "description": "name, uid, name:group or uid:gid; root only when written out. Default: the base's.", "type": ["string", "integer"] },
    "workdir": { "type": "string", "description": "The directory that the program starts in." },
    "entrypoint": { "$ref": "#/$defs/words", "description": "The program and its first arguments." },
    "cmd": { "$ref": "#/$defs/words", "description": "Arguments that a caller may replace." },
    "env": { "$ref": "#/$defs/env" },
    "ports": { "description": "8080, 8080/tcp or 53/udp.", "type": "array", "items": { "type": ["string", "integer"] } },
    "volumes": { "type": "array", "items": { "type": "string" } },
    "stop-signal": { "type": ["string", "integer"], "description": "SIGTERM by default." },
    "labels": { "$ref": "#/$defs/texts" },
    "annotations": { "$ref": "#/$defs/texts", "description": "On the manifest, and on the index." },
    "layers": { "enum": ["auto", "single"], "description": "auto keeps the base's layers; single makes one of all." },
    "compression": {
      "description": "Of the layers made here; default zstd.",
      "anyOf": [
        { "enum": ["zstd", "gzip", "none"] },
        { "type": "object", "required": ["algorithm"], "additionalProperties": false, "properties": { "algorithm": { "enum": ["zstd", "gzip", "none"] }, "level": { "type": "integer", "minimum": 1, "maximum": 19 } } }
      ]
    },
    "epoch": { "description": "Seconds since 1970 or an RFC 3339 time: created, and the mtime of what is copied. Default: SOURCE_DATE_EPOCH, else 0.", "type": ["integer", "string"] },
    "platforms": { "description": "linux/amd64, linux/arm64, linux/arm/v7 ...; several give an index.", "type": "array", "items": { "type": "string" } },
    "policy": {
      "description": "What the image must be like before it is written anywhere.",
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "file": { "type": "string", "description": "A policy that several specs share." },
        "deny": { "$ref": "#/$defs/rules", "description": "Rules that are errors." },
        "warn": { "$ref": "#/$defs/rules", "description": "Rules that are warnings." },
        "allow": {
          "description": "Exceptions.",
          "type": "array",
          "items": {
            "type": "object",
            "required": ["rule", "reason"],
            "additionalProperties": false,
            "properties": {
              "rule": { "$ref": "#/$defs/rule" },
              "path": { "type": "string", "description": "A glob of paths in the image; default: everywhere." },
              "id": { "type": "string", "description": "A CVE, or the fingerprint of a secret; default: any." },
              "reason": { "type": "string" }
            }
          }
        },
        "max-size": { "type": ["string", "integer"], "description": "Of all layers as they are stored: 20MB, 1.5GiB." },
        "max-severity": { "enum": ["low", "medium", "high", "critical"], "description": "The worst known vulnerability that may be in the image." },
        "vulnerability-db": { "description": "Databases for max-severity; default: what 'minibuild scan --update' fetched.", "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] },
        "trusted-bases": { "type": "array", "items": { "type": "string" }, "description": "Globs of the references that may be bases." },
        "required-labels": { "type": "array", "items": { "type": "string" } },
        "secret-baseline": { "type": "string", "description": "A file with findings of 'secret' that are known." }
      }
    },
    "attest": {
      "description": "What is made beside the image and belongs to it.",
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "sbom": { "anyOf": [{ "enum": ["spdx", "cyclonedx"] }, { "type": "array", "items": { "enum": ["spdx", "cyclonedx"] } }] },
        "provenance": { "type": "boolean", "description": "SLSA v1, with every input." }
      }
    }
  },
  "$defs": {
    "scalar": { "type": ["string", "number", "boolean"] },
    "texts": { "type": "object", "additionalProperties": { "$ref": "#/$defs/scalar" } },
    "rule": { "enum": [@rules@] },
    "rules": { "type": "array", "items": { "$ref": "#/$defs/rule" } },
    "words": { "type": "array", "items": { "$ref": "#/$defs/scalar" } },
    "id": { "type": ["integer", "string"], "minimum": 0, "maximum": 4294967294 },
    "mode": { "description": "Permission bits in octal, such as '0644'.", "type": ["string", "integer"] },
    "env": { "description": "Variables; ${env.PATH} is the base's value.", "type": "object", "additionalProperties": { "$ref": "#/$defs/scalar" } },
    "base": {
      "description": "scratch, distroless/cc and other shipped bases, ./other.yaml, oci:DIR:TAG, oci-archive:FILE:TAG, docker-archive:FILE, { stage: NAME }, { image: REFERENCE, verify: { key: FILE } }; in stages also host.",
      "anyOf": [
        { "type": "string" },
        { "type": "object", "required": ["stage"], "additionalProperties": false, "properties": { "stage": { "type": "string" } } },
        { "type": "object", "required": ["image"], "additionalProperties": false, "properties": {
          "image": { "type": "string" },
          "verify": { "type": "object", "required": ["key"], "additionalProperties": false, "properties": { "key": { "description": "Files with public keys, one of which signed the base.", "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] }, "identity": { "type": "string", "description": "What the signature calls the image, HOST/REPOSITORY[:TAG], if that is not its name here." } } }
        } }
      ]
    },
    "packages": {
      "description": "Packages of the sources, with all that they depend on.",
      "type": "array",
      "items": {
        "anyOf": [
          { "type": "string", "description": "name, name=VERSION, name>=VERSION, name~VERSION, !name" },
          {
            "type": "object",
            "required": ["name"],
            "additionalProperties": false,
            "properties": {
              "name": { "type": "string", "description": "A package, or * for all." },
              "source": { "type": "string", "description": "The source that it is taken from, whatever the others have." },
              "only": { "type": "array", "items": { "type": "string" }, "description": "Globs of the files that are taken; also docs, man, locales." },
              "except": { "type": "array", "items": { "type": "string" }, "description": "Globs of files that are left out; also docs, man, locales." },
              "omit": { "type": "boolean", "description": "Take it as if it were there: neither it nor what only it needs is installed." }
            }
          }
        ]
      }
    },
    "copies": {
      "type": "array",
      "items": {
        "type": "object",
        "required": ["to"],
        "anyOf": [{ "required": ["from"] }, { "required": ["url"] }],
        "additionalProperties": false,
        "properties": {
          "from": { "type": "string", "description": "A path or glob beside the spec, or in the stage or image." },
          "to": { "type": "string", "description": "Where to; a file goes into it if it ends with /." },
          "stage": { "type": "string" },
          "image": { "type": "string", "description": "HOST/REPOSITORY:TAG, oci:DIR:TAG, oci-archive:FILE:TAG or docker-archive:FILE." },
          "url": { "type": "string", "description": "A file of a server (https or http)." },
          "sha256": { "type": "string", "description": "Of what the URL gives; without it the lock file has it." },
          "extract": { "type": "boolean", "description": "Take what the archive holds: tar, compressed or not, or zip." },
          "strip": { "type": "integer", "minimum": 0, "description": "Leading parts to take off the names in the archive." },
          "include": { "type": "array", "items": { "type": "string" } },
          "exclude": { "type": "array", "items": { "type": "string" } },
          "mode": { "$ref": "#/$defs/mode" },
          "dir-mode": { "$ref": "#/$defs/mode" },
          "owner": { "type": ["string", "integer"], "description": "Default 0:0." },
          "closure": {
            "description": "Also the shared libraries and the loader that the ELF files need.",
            "anyOf": [
              { "type": "boolean" },
              { "type": "object", "additionalProperties": false, "properties": { "search": { "type": "array", "items": { "type": "string" }, "description": "Directories in which loaders look besides, though nothing in the files says so." } } }
            ]
          }
        }
      }
    },
    "files": {
      "type": "array",
      "items": {
        "type": "object",
        "additionalProperties": false,
        "properties": {
          "file": { "type": "string" },
          "content": { "$ref": "#/$defs/scalar" },
          "directory": { "type": "string" },
          "symlink": { "type": "string" },
          "target": { "type": "string" },
          "mode": { "$ref": "#/$defs/mode" },
          "owner": { "type": ["string", "integer"] }
        }
      }
    },
    "stage": {
      "type": "object",
      "required": ["base"],
      "additionalProperties": false,
      "properties": {
        "base": { "$ref": "#/$defs/base" },
        "packages": { "$ref": "#/$defs/packages" },
        "copy": { "$ref": "#/$defs/copies" },
        "files": { "$ref": "#/$defs/files" },
        "env": { "$ref": "#/$defs/env" },
        "workdir": { "type": "string" },
        "secrets": {
          "description": "Given with --secret; never in the result.",
          "type": "array",
          "items": { "type": "object", "required": ["id"], "additionalProperties": false, "properties": { "id": { "type": "string" }, "env": { "type": "string" }, "file": { "type": "string" } } }
        },
        "caches": { "description": "Directories kept between builds.", "type": "array", "items": { "type": "string" } },
        "network": { "enum": ["none", "full"], "description": "Default none." },
        "limits": {
          "description": "What the commands may take of the machine.",
          "type": "object",
          "additionalProperties": false,
          "properties": {
            "memory": { "type": ["string", "integer"], "description": "Such as 4GB. Default three quarters of the machine's." },
            "processes": { "type": ["string", "integer"], "description": "And threads. Default 2048." },
            "disk": { "type": ["string", "integer"], "description": "Such as 20GB. Default three quarters of what is free." },
            "time": { "type": "string", "description": "Such as 90s, 30m or 2h. Default without end." }
          }
        },
        "run": {
          "description": "A script, or a list of commands, each a string for /bin/sh -eu or a list of arguments.",
          "anyOf": [{ "type": "string" }, { "type": "array", "items": { "anyOf": [{ "type": "string" }, { "$ref": "#/$defs/words" }] } }]
        }
      }
    }
  }
}
)JSON";
  std::string rules;
  for (const RuleInfo& rule : policy_rules())
    rules += (rules.empty() ? "\"" : ", \"") + std::string(rule.id) + "\"";
  constexpr std::string_view place = "@rules@";
  return schema.replace(schema.find(place), place.size(), rules);
}

}  // namespace minibuild::spec
