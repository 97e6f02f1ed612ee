// What names a manifest as its subject (distribution-spec, "Listing Referrers", "Unavailable Referrers API").
#include <algorithm>

#include "builder/registry/pages.h"
#include "builder/registry/session.h"
#include "minibuild/base/text.h"
#include "minibuild/registry/client.h"

namespace minibuild::registry {

using base::fail;

namespace {

std::string list_tag(const oci::Digest& subject) { return oci::referrers_tag(subject); }

oci::Reference tagged(const oci::Reference& repository, const std::string& tag) {
  return {repository.host, repository.repository, tag, std::nullopt};
}

// Whether a registry says by its refusal that it knows no such thing, and not that it cannot answer now.
bool is_no(int status) {
  return status >= 400 && status < 500 && status != 401 && status != 408 && status != 429;
}

// An index, as far as needed to take it for a list: a page for people, an error or nothing at all is none.
bool is_list(const std::string& body) {
  try {
    const oci::Json json = oci::parse_json(body, "a list");
    return json.is_object() && json.contains("manifests") &&
           (json["manifests"].is_array() || json["manifests"].is_null());
  } catch (const base::Error&) {
    return false;
  }
}

std::vector<oci::Descriptor> entries_of(const std::string& body, const std::string& what) {
  if (oci::parse_json(body, what)["manifests"].is_null()) return {};  // an empty list, as some write it
  return oci::parse_index(body, what).manifests;
}

}  // namespace

std::optional<std::vector<oci::Descriptor>> Client::referrers_by_api(const oci::Reference& repository,
                                                                     const oci::Digest& subject) {
  const std::string what = fmt::format("the referrers of {}/{}@{}", repository.host, repository.repository,
                                       oci::to_string(subject));
  const Place place = session_->origin(repository);
  std::vector<oci::Descriptor> found;
  Call call;
  call.path = "/referrers/" + oci::to_string(subject);
  call.headers = {"Accept: " + std::string(oci::media_type::index)};
  Pages pages(place, what, session_->network());
  for (bool first = true;; first = false) {
    HttpResponse response;
    try {
      response = session_->call(place, call);
    } catch (const Refused& refused) {  // no token for that
      if (first && (is_no(refused.status()) || refused.status() == 401)) return std::nullopt;
      throw;
    }
    if (response.status != 200 || !is_list(response.body)) {
      // Half a list would be taken for the whole.
      if (!first && response.status != 200) session_->refuse(place, response, what);
      if (!first) fail("cannot read {}: a page after the first is no list", what);
      return std::nullopt;
    }
    for (oci::Descriptor& entry : entries_of(response.body, what)) found.push_back(std::move(entry));
    if (!pages.next(response, call)) return found;
  }
}

// Who fails at the question each time has no answer to it, and is asked once; who is overloaded or away has
// one later.
std::optional<std::vector<oci::Descriptor>> Client::answered_by_api(const oci::Reference& repository,
                                                                    const oci::Digest& subject) {
  const std::string name = repository.host + "/" + repository.repository;
  {
    const std::lock_guard lock(mutex_);
    if (fails_at_referrers_.contains(name)) return std::nullopt;
  }
  try {
    return referrers_by_api(repository, subject);
  } catch (const Refused& refused) {
    if (refused.status() != 500) throw;
    const std::lock_guard lock(mutex_);
    fails_at_referrers_.insert(name);
    return std::nullopt;
  }
}

std::optional<oci::Descriptor> Client::find_digest_tag(const oci::Reference& reference,
                                                       const oci::Digest& digest) {
  try {
    std::optional<oci::Descriptor> found = find_manifest(reference);
    if (found && found->digest == digest) return std::nullopt;
    return found;
  } catch (const Refused& refused) {
    if (is_no(refused.status())) return std::nullopt;
    throw;
  }
}

std::vector<oci::Descriptor> Client::referrers(const oci::Reference& repository, const oci::Digest& subject) {
  auto found = answered_by_api(repository, subject);
  if (found && !found->empty()) return std::move(*found);
  // Without that API clients keep a list under a tag; some registries answer for everything that there is
  // nothing.
  const oci::Reference tag = tagged(repository, list_tag(subject));
  const std::optional<oci::Descriptor> there = find_digest_tag(tag, subject);
  if (!there || !oci::is_index(there->media_type)) return {};
  return oci::parse_index(manifest(tag).bytes, "the list " + oci::to_string(tag)).manifests;
}

bool Client::list_referrer(const oci::Reference& repository, const oci::Digest& subject,
                           const oci::Json& entry, bool said) {
  const std::string digest = entry.at("digest").get<std::string>();
  // Some say that they noted it and have no API, others need a moment.
  for (int attempt = 1; attempt <= (said ? 3 : 1); ++attempt) {
    if (attempt > 1) session_->pause(attempt, 0, "");
    const auto found = answered_by_api(repository, subject);
    if (!found) break;
    if (std::any_of(found->begin(), found->end(),
                    [&](const oci::Descriptor& one) { return oci::to_string(one.digest) == digest; }))
      return true;
  }
  const oci::Reference tag = tagged(repository, list_tag(subject));
  const Place place = session_->origin(repository);
  bool doubtful = false;  // where the tag means the digest, or is refused, what is put there may not be found
  const auto read = [&]() -> std::optional<Document> {
    try {
      Document document = read_manifest(place, tag, oci::max_json_size);
      if (document.descriptor.digest != subject) return document;
      doubtful = true;
      return std::nullopt;
    } catch (const Refused& refused) {
      // A list that cannot be read must not be replaced: here only what says that there is none counts.
      if (refused.status() != 404 && refused.status() != 400 && refused.status() != 405) throw;
      doubtful = refused.status() != 404;
      return std::nullopt;
    }
  };
  oci::Json index = {
      {"schemaVersion", 2}, {"mediaType", oci::media_type::index}, {"manifests", oci::Json::array()}};
  const std::optional<Document> before = read();
  if (before) index = oci::parse_json(before->bytes, oci::to_string(tag));
  if (!index.contains("manifests") || !index["manifests"].is_array())
    fail("{} is not an index", oci::to_string(tag));
  for (const oci::Json& one : index["manifests"])
    if (one.is_object() && one.value("digest", "") == digest) return true;
  index["manifests"].push_back(entry);
  try {
    put_manifest(repository, tag.tag, std::string(oci::media_type::index), index.dump());
  } catch (const Refused& refused) {
    if (is_no(refused.status())) return false;
    throw;
  }
  return !doubtful || read();
}

}  // namespace minibuild::registry
