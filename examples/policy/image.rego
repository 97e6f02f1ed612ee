# What `minibuild inspect --json` prints, judged by OPA or conftest (Rego v1). docs/policy.md has the input's fields.
package main

# 0, root and nothing at all are root, whatever the group.
user := split(object.get(input.config.config, "User", ""), ":")[0]

deny contains "the image runs as root" if user in {"", "0", "root"}

deny contains sprintf("port %s is exposed", [number]) if {
	some port, _ in object.get(input.config.config, "ExposedPorts", {})
	[number, "tcp"] = split(port, "/")
	number == "22"
}

deny contains sprintf("the label %s is missing", [label]) if {
	some label in ["org.opencontainers.image.source"]
	object.get(input.config.config, ["Labels", label], "") == ""
}

# A mode has four octal digits; the first holds setuid (4) and setgid (2).
deny contains sprintf("%s is setuid", [file.path]) if {
	some file in input.files
	file.type == "-"
	substring(file.mode, 0, 1) in {"4", "5", "6", "7"}
}

# Packages are judged by what the image's own databases say.
deny contains sprintf("%s %s is for building, not for running", [one.name, one.version]) if {
	some one in input.packages
	endswith(one.name, "-dev")
}
