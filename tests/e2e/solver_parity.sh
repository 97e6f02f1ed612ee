#!/usr/bin/env bash
# Random sets of packages of Debian's real index: minibuild finds a way exactly where apt does, and takes the versions that
# apt would take. SETS=200 for more of them; SEED for others. apt is given an empty system, its own directories and no
# essential packages; no package is fetched.
. "$(dirname "$0")/lib.sh"
SETS=${SETS:-${MINIBUILD_SMALL:+8}} SETS=${SETS:-40} SEED=${SEED:-1}
MIRROR=${MINIBUILD_TEST_MIRROR:-${TMPDIR:-/tmp}/minibuild-test-mirror}
"$SOURCE/tests/e2e/mirror.sh" "$MIRROR" || { echo "FAILED: there is no mirror of Debian"; exit 1; }
MIRROR=$(cd "$MIRROR" && pwd)
INDEX=$MIRROR/debian/dists/trixie/main/binary-amd64/Packages

mkdir -p apt/lists/partial apt/archives/partial apt/log
: > apt/status
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] file:$MIRROR/debian trixie main" > apt/sources.list
cat > apt/apt.conf << E2
Dir::State "$SCRATCH/apt"; Dir::State::Lists "$SCRATCH/apt/lists"; Dir::State::status "$SCRATCH/apt/status";
Dir::State::extended_states "$SCRATCH/apt/extended"; Dir::Cache "$SCRATCH/apt"; Dir::Cache::archives "$SCRATCH/apt/archives";
Dir::Cache::pkgcache "pkgcache.bin"; Dir::Log "$SCRATCH/apt/log";
Dir::Etc::SourceList "$SCRATCH/apt/sources.list"; Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null"; Dir::Etc::PreferencesParts "/dev/null";
APT::Architecture "amd64"; #clear APT::Architectures;
APT::Architectures { "amd64"; };
#clear Acquire::IndexTargets;
Acquire::IndexTargets::deb::Packages { MetaKey "\$(COMPONENT)/binary-\$(ARCHITECTURE)/Packages"; ShortDescription "Packages"; Description "Packages"; Optional "no"; };
Acquire::Languages "none"; Acquire::GzipIndexes "false"; APT::Sandbox::User "root"; Acquire::Check-Valid-Until "false";
APT::Install-Recommends "false"; APT::Install-Suggests "false"; pkgCacheGen::ForceEssential "none"; pkgCacheGen::Essential "none";
#clear APT::Update::Post-Invoke; #clear APT::Update::Post-Invoke-Success;
Debug::NoLocking "true";
E2
check "apt reads the index" apt-get -q -c apt/apt.conf update --error-on=any
check "apt has it" bash -c "apt-cache -c apt/apt.conf policy netbase | grep -q 'Candidate: [0-9]'"

# The sets: one to four packages each, every tenth one with two that are known to conflict, or with one that is not installable.
python3 - "$INDEX" "$SETS" "$SEED" << 'E2' > sets
import random
import re
import sys

index, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
names = []
conflicts = []
for paragraph in open(index, encoding="utf-8").read().split("\n\n"):
    fields = dict(re.findall(r"^([A-Za-z0-9-]+): (.*)$", paragraph, re.M))
    if "Package" not in fields:
        continue
    names.append(fields["Package"])
    for other in re.split(r", *", fields.get("Conflicts", "")):
        if other and " " not in other and ":" not in other:
            conflicts.append((fields["Package"], other))
known = set(names)
conflicts = sorted(pair for pair in conflicts if pair[1] in known and pair[0] != pair[1])
names = sorted(set(names))
chance = random.Random(seed)
fixed = [["exim4", "postfix"], ["systemd-sysv", "sysvinit-core"], ["mawk", "gawk", "original-awk"], ["default-mta", "postfix"]]
for number in range(count):
    if number < len(fixed):
        chosen = fixed[number]
    elif number % 5 == 4:
        chosen = list(chance.choice(conflicts)) + chance.sample(names, chance.randint(0, 1))
    else:
        chosen = chance.sample(names, chance.randint(1, 4))
    print(*dict.fromkeys(chosen))
E2
same "as many sets as were asked for" "$(wc -l < sets)" "$SETS"

# Where there is a choice minibuild may take another package; what it takes has to be whole, and every version the candidate.
# apt_takes NAME…: name and version of what apt would install; its messages in theirs.log. Its --print-uris resolves as -s
# does, without working out the order of unpacking, which takes most of the time.
apt_takes() {
  apt-get -q -y -c apt/apt.conf --print-uris install --no-install-recommends "$@" > theirs.log 2>&1 || return
  sed -nE "s/^'[^']*' ([^_]+)_([^_]+)_[a-z0-9]+\.deb .*/\1 \2/p" theirs.log | sed 's/%3a/:/' | sort > theirs
}
awk '$1 == "Package:" { name = $2 } $1 == "Version:" { print name, $2 }' "$INDEX" | sort -u > candidates
both=0 neither=0 differ=0 identical=0
while read -r packages; do
  printf 'minibuild: 1\nsources: { debian: { deb: "file://%s/debian", suites: [trixie], keys: [/usr/share/keyrings/debian-archive-keyring.gpg] } }\npackages: [%s]\n' \
    "$MIRROR" "${packages// /, }" > set.yaml
  rm -f set.lock.json
  ours=no theirs=no
  "$MINIBUILD" lock set.yaml > ours.log 2>&1 && ours=yes
  apt_takes $packages && theirs=yes
  if [ "$ours" != "$theirs" ]; then
    differ=$((differ + 1))
    printf '    %s\n      minibuild: %s, apt: %s\n' "$packages" "$ours" "$theirs"
    [ "$ours" = yes ] && grep -E '^ |^E:' theirs.log | head -5 | sed 's/^/      /'
    [ "$ours" = no ] && head -5 ours.log | sed 's/^/      /'
    continue
  fi
  if [ "$ours" = no ]; then
    neither=$((neither + 1))
    grep -qE 'cannot be there together|no source has' ours.log || { differ=$((differ + 1)); echo "    $packages: refused for another reason"; head -3 ours.log; }
    continue
  fi
  both=$((both + 1))
  jq -r '.packages[0].packages[] | .name + " " + .version' set.lock.json | sort > ours
  [ -s theirs ] || { differ=$((differ + 1)); echo "    $packages: apt installs nothing"; }
  wrong=$(comm -23 ours candidates)
  [ -z "$wrong" ] || { differ=$((differ + 1)); echo "    $packages: not apt's candidates: $(xargs <<< "$wrong")"; }
  # Where both took a package it has one version.
  wrong=$(join ours theirs | awk '$2 != $3')
  [ -z "$wrong" ] || { differ=$((differ + 1)); echo "    $packages: other versions: $(xargs <<< "$wrong")"; }
  # The packages that were asked for are there, except where another one provides them.
  for name in $packages; do
    grep -q "^$name " ours || ! grep -q "^$name " candidates || { differ=$((differ + 1)); echo "    $packages: without $name"; }
  done
  if cmp -s ours theirs; then
    identical=$((identical + 1))
    continue
  fi
  [ -z "${SHOW:-}" ] || { echo "    $packages:"; diff ours theirs | grep '^[<>]' | sed 's/^/      /'; }
  # Another choice; it is whole: asked for just these versions, apt takes nothing more and nothing else.
  if ! apt_takes $(tr ' ' = < ours) || ! cmp -s ours theirs; then
    differ=$((differ + 1))
    echo "    $packages: what minibuild takes is not whole:"
    { diff ours theirs | grep '^[<>]'; grep -E '^ |^E:' theirs.log; } | head -5 | sed 's/^/      /'
  fi
done < sets
echo "$SETS sets: $both can be installed, $neither cannot, $differ differ from apt; $identical have the same packages throughout"
same "sets that differ from apt" "$differ" 0
check "some can be installed" test "$both" -ge $((SETS / 2))
check "some cannot" test "$neither" -ge 2
# docs/packages.md: of several ways the one is taken that apt takes.
check "$identical of $both have the same packages as with apt" test $((identical * 10)) -ge $((both * 8))
finish
