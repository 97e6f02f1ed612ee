#!/usr/bin/env python3
"""Says what a policy keeps of a repository, by a crawler and rules of its own; a judge for prune.

  want URL POLICY.json [EVENTS] prints what there is and what stays; EVENTS are tags that will come meanwhile, and stay
  check URL WANT.json [EXTRA]   what should stay is there whole, with its blobs, children and signatures, and the rest is gone;
                                EXTRA: {tag: digest} that were pushed meanwhile
  state URL                     prints everything that can be found, to compare
  order STATE.json LOG          the lines "deleted DIGEST" of LOG: referrers before subjects, indexes before children
"""
import calendar
import concurrent.futures
import fnmatch
import hashlib
import json
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

TYPES = ["application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json",
         "application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.docker.distribution.manifest.v2+json"]
POOL = concurrent.futures.ThreadPoolExecutor(8)


def get(url, path, method="GET"):
    place = urllib.parse.urlsplit(url)
    request = urllib.request.Request(f"http://{place.netloc}/v2{place.path}{path}", method=method, headers={"Accept": ", ".join(TYPES)})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.headers.get("Docker-Content-Digest"), answer.read()
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None, None
        raise


def crawl(url):
    names = json.loads(get(url, "/tags/list")[1])["tags"] or []
    tags = {name: digest for name, (digest, _) in zip(names, POOL.map(lambda n: get(url, "/manifests/" + n, "HEAD"), names)) if digest}
    documents, todo = {}, set(tags.values())
    while todo:
        found = list(zip(todo, POOL.map(lambda d: get(url, "/manifests/" + d)[1], todo)))
        todo = set()
        for digest, data in found:
            if data is not None:
                documents[digest] = json.loads(data)
                todo |= {one["digest"] for one in documents[digest].get("manifests", [])}
        todo -= set(documents)
    return tags, documents


def seconds(text):
    found = re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)", text or "")
    value = calendar.timegm(time.strptime(found[1], "%Y-%m-%dT%H:%M:%S")) if found else 0
    return value if value > 400000000 else None


def time_of(url, documents, digest):
    document = documents.get(digest, {})
    annotated = seconds(document.get("annotations", {}).get("org.opencontainers.image.created"))
    if annotated:
        return annotated
    if "manifests" in document:
        return max((time_of(url, documents, one["digest"]) or 0 for one in document["manifests"]), default=0) or None
    if document.get("config", {}).get("mediaType", "").endswith("config.v1+json"):
        return seconds(json.loads(get(url, "/blobs/" + document["config"]["digest"])[1]).get("created"))
    return None


def version(tag):
    found = re.fullmatch(r"v?(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z.-]+))?", tag)
    if not found:
        return None
    pre = [(0, int(one), "") if one.isdigit() else (1, 0, one) for one in found[4].split(".")] if found[4] else None
    return tuple(int(found[i]) for i in (1, 2, 3)) + ((1,) if pre is None else (0, pre),)


def ordered(tags, key):
    """Newest first; equals by version and then by name, numbers as numbers."""
    natural = lambda tag: [(0, int(one)) if one.isdigit() else (1, one) for one in re.findall(r"\d+|\D", tag)]
    return sorted(tags, key=lambda tag: (key(tag), version(tag) or (-1,), natural(tag)), reverse=True)


def derived(tag):
    found = re.fullmatch(r"sha256-([0-9a-f]{64})(\.sig|\.att|\.sbom)?", tag)
    return ("sha256:" + found[1], found[2]) if found else (None, None)


def is_about(rule, tag):
    def matches(key):
        value = rule.get(key, [])
        return any(fnmatch.fnmatchcase(tag, one) for one in ([value] if isinstance(value, str) else value))
    return matches("tags") and not matches("exclude")


def kept_by(rule, url, tags, documents, now):
    about = [tag for tag in tags if is_about(rule, tag)]
    if "keep" in rule:
        return set(about)
    about = [tag for tag in about if not derived(tag)[0]]
    if rule.get("by") == "semver":
        return set(ordered([tag for tag in about if version(tag)], version)[:rule["keep-last"]])
    times = dict(zip(about, POOL.map(lambda tag: time_of(url, documents, tags[tag]), about)))
    unknown = {tag for tag in about if times[tag] is None}
    known = [tag for tag in about if times[tag] is not None]
    if "keep-last" in rule:
        return unknown | set(ordered(known, times.get)[:rule["keep-last"]])
    unit = {"h": 3600, "d": 86400, "w": 604800}[rule["keep-within"][-1]]
    return unknown | {tag for tag in known if now - times[tag] <= int(rule["keep-within"][:-1]) * unit}


def want(url, policy_path, events_path=None):
    policy = json.load(open(policy_path))
    tags, documents = crawl(url)
    now = time.time()
    keep = set().union(*(kept_by(rule, url, tags, documents, now) for rule in policy["retention"]))
    for event in json.load(open(events_path)) if events_path else []:
        digest = "sha256:" + hashlib.sha256(event["bytes"].encode()).hexdigest()
        tags[event["tag"]] = digest
        documents[digest] = json.loads(event["bytes"])
        keep.add(event["tag"])
    # A signature of what never was here is a tag like others, but none of the images that are counted; it has no time.
    for tag in tags:
        subject, _ = derived(tag)
        if subject and subject not in documents and any("keep-within" in rule and is_about(rule, tag) for rule in policy["retention"]):
            keep.add(tag)
    stay = {tags[tag] for tag in keep}
    while True:
        more = set(stay)
        for digest in stay:
            more |= {one["digest"] for one in documents[digest].get("manifests", []) if one["digest"] in documents}
        more |= {digest for digest, document in documents.items() if document.get("subject", {}).get("digest") in stay}
        more |= {digest for tag, digest in tags.items() if derived(tag)[0] in stay}
        if more == stay:
            break
        stay = more
    shared = sorted(tag for tag, digest in tags.items() if digest in stay)
    lists = {}  # lists whose subject goes, with the entries that stay for other reasons
    for tag, digest in tags.items():
        subject, suffix = derived(tag)
        if subject and not suffix and digest not in stay:
            left = [one["digest"] for one in documents[digest]["manifests"] if one["digest"] in stay]
            if left:
                lists[tag] = left
    print(json.dumps({"documents": sorted(documents), "stay": sorted(stay), "tags": tags, "stay_tags": shared, "keep_tags": sorted(keep),
                      "lists": lists}))


def whole(url, documents, digest, seen, faults):
    if digest in seen:
        return
    seen.add(digest)
    document = documents.get(digest)
    if document is None:
        return faults.append(f"{digest} is gone")
    for one in document.get("layers", []) + [document[k] for k in ("config",) if k in document]:
        if one["digest"] not in seen:
            seen.add(one["digest"])
            if get(url, "/blobs/" + one["digest"], "HEAD")[0] is None:
                faults.append(f"{digest}: blob {one['digest']} is gone")
    for one in document.get("manifests", []):
        whole(url, documents, one["digest"], seen, faults)


def check(url, want_path, extra_path=None):
    wanted = json.load(open(want_path))
    extra = json.load(open(extra_path)) if extra_path else {}
    tags, documents = crawl(url)
    faults, seen = [], set()
    for tag in wanted["stay_tags"]:
        if tags.get(tag) != wanted["tags"][tag]:
            faults.append(f"the tag {tag} is gone or moved")
    for tag, digest in extra.items():
        if tags.get(tag) != digest:
            faults.append(f"{tag}, pushed meanwhile, is gone or moved")
        whole(url, documents, digest, seen, faults)
    for digest in wanted["stay"]:
        whole(url, documents, digest, seen, faults)
    for tag, left in wanted["lists"].items():
        if [one["digest"] for one in documents.get(tags.get(tag), {}).get("manifests", [])] != left:
            faults.append(f"the list {tag} does not name what stays")
    gone = sorted(set(wanted["documents"]) - set(wanted["stay"]) - seen)
    for digest, (there, _) in zip(gone, POOL.map(lambda d: get(url, "/manifests/" + d, "HEAD"), gone)):
        if there:
            faults.append(f"{digest} is still there")
    for tag in tags:
        if tag not in wanted["stay_tags"] and tag not in extra and tag not in wanted["lists"]:
            faults.append(f"the tag {tag} is still there")
    print("\n".join(faults) or f"{len(wanted['stay'])} stay, {len(gone)} gone")
    sys.exit(1 if faults else 0)


def state(url):
    tags, documents = crawl(url)
    print(json.dumps({"tags": tags, "documents": documents}, sort_keys=True))


def order(state_path, log_path):
    known = json.load(open(state_path))
    deleted = re.findall(r"^deleted (sha256:[0-9a-f]{64})", open(log_path).read(), re.M)
    at = {digest: i for i, digest in enumerate(deleted)}
    faults, pairs = [], 0
    for digest, document in known["documents"].items():
        later = [one["digest"] for one in document.get("manifests", [])] + [document.get("subject", {}).get("digest")]
        later += [derived(tag)[0] for tag, named in known["tags"].items() if named == digest and derived(tag)[0]]
        for other in later:
            if digest in at and other in at:
                pairs += 1
                if at[digest] > at[other]:
                    faults.append(f"{digest} after {other}")
    print("\n".join(faults) or f"{pairs} pairs in order")
    sys.exit(1 if faults or pairs < 20 else 0)


if __name__ == "__main__":
    {"want": want, "check": check, "state": state, "order": order}[sys.argv[1]](*sys.argv[2:])
