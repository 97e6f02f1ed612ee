#include "minibuild/build/signatures.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "builder/build/error_context.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/store/graph.h"
#include "minibuild/trust/dsse.h"
#include "minibuild/trust/sbom.h"

namespace minibuild::build {

using base::fail;

namespace {

// Of an image: manifests that are looked at, and signatures in one of them. Whoever may write beside the
// image could add any number.
constexpr size_t max_attached = 64;
constexpr size_t max_subjects = 1000;
// In bytes: of a manifest beside an image, of what a signature signs with the signature, and of an
// attestation.
constexpr uint64_t max_manifest = uint64_t{1} << 20;
constexpr size_t max_signature = size_t{256} << 10;
constexpr size_t max_statement = size_t{64} << 20;
constexpr int max_attempts = 8;
constexpr std::chrono::milliseconds settling{200};

// The bytes of a document, if they are what the descriptor says.
std::string checked(const store::BlobSource& source, const oci::Descriptor& descriptor, store::Cache& cache) {
  std::optional<std::string> bytes;
  if (descriptor.size <= oci::max_json_size)
    bytes = source.document(descriptor);
  else
    bytes = base::read_file(source.layers({descriptor}, cache).front(), descriptor.size);
  if (!bytes) fail("{} is missing", oci::to_string(descriptor.digest));
  if (bytes->size() != descriptor.size || !oci::has_digest(*bytes, descriptor.digest))
    throw base::Error(base::Code::refused, fmt::format("{} does not have the bytes that its digest says",
                                                       oci::to_string(descriptor.digest)));
  return std::move(*bytes);
}

// The manifest or index that a name stands for, and every manifest below.
std::vector<oci::Descriptor> subjects_of(const OpenedImage& image, store::Cache& cache) {
  std::vector<oci::Descriptor> subjects{image.top};
  for (size_t i = 0; i < subjects.size(); ++i) {
    const oci::Descriptor subject = subjects[i];
    if (i > 0 && oci::is_manifest(subject.media_type)) continue;
    const std::string what = oci::to_string(subject.digest);
    const std::string bytes = checked(*image.source, subject, cache);
    // What it is, its content says.
    const oci::Json json = oci::parse_json(bytes, what);
    subjects[i].media_type = store::media_type_of(json, subject.media_type);
    if (oci::kind_of(json) != oci::Kind::index) continue;
    for (const oci::Descriptor& entry : oci::parse_index(bytes, "index " + what).manifests) {
      const bool known = std::any_of(subjects.begin(), subjects.end(),
                                     [&](const oci::Descriptor& one) { return one.digest == entry.digest; });
      if (!known && (oci::is_document(entry.media_type) || entry.media_type.empty()))
        subjects.push_back(entry);
    }
    if (subjects.size() > max_subjects) fail("its index names more than {} manifests", max_subjects);
  }
  return subjects;
}

// What a manifest's layers of one type hold.
std::vector<oci::Descriptor> layers_of(const std::string& manifest_json) {
  return oci::parse_manifest(manifest_json, "the manifest").layers;
}

bool is_bundle(const oci::Descriptor& layer) {
  return layer.media_type.starts_with("application/vnd.dev.sigstore.bundle");
}

class Examination {
 public:
  Examination(const oci::Digest& image, const std::vector<trust::PublicKey>& keys,
              const std::string& predicate_type)
      : image_(image), keys_(keys), predicate_type_(predicate_type) {}

  std::vector<Candidate> candidates;

  void look_at(const AttachedManifest& attached, const std::string& tag) {
    const std::vector<oci::Descriptor> layers = layers_of(attached.manifest_json);
    if (tag.empty()) {
      if (std::any_of(layers.begin(), layers.end(), is_bundle)) look_at_bundle(attached, layers);
      return;
    }
    const bool signature = predicate_type_ == trust::sign_predicate;
    if (!tag.ends_with(signature ? ".sig" : ".att")) return;
    if (layers.size() > max_attached)
      broken("tag " + tag, fmt::format("it has {} signatures; only the last {} were looked at", layers.size(),
                                       max_attached));
    // New ones are put behind the old.
    for (size_t i = layers.size() - std::min(layers.size(), max_attached); i < layers.size(); ++i)
      judge(fmt::format("signature {} of tag {}", i + 1, tag), false, [&] {
        const std::string_view want = signature ? trust::simple_signing_type : trust::envelope_type;
        if (layers[i].media_type != want)
          fail("its type is '{}', want '{}'", base::printable(layers[i].media_type), want);
        const std::string bytes = attached.blob(layers[i], limit());
        if (!signature) return trust::verify_envelope(bytes, image_, predicate_type_, keys_);
        const auto found = layers[i].annotations.find(trust::signature_annotation);
        if (found == layers[i].annotations.end()) fail("it has no signature");
        return trust::verify_classic(bytes, found->second, image_, keys_);
      });
  }

  void broken(const std::string& name, const std::string& why) {
    candidates.push_back({name, why, {}, false, {}});
  }

 private:
  template <typename Task>
  void judge(const std::string& name, bool bundle, Task task) {
    Candidate candidate{name, "", {}, bundle, {}};
    try {
      candidate.accepted = task();
    } catch (const base::Error& error) {
      candidate.fault = error.what();
    }
    candidates.push_back(std::move(candidate));
  }

  void look_at_bundle(const AttachedManifest& attached, const std::vector<oci::Descriptor>& layers) {
    judge("bundle " + attached.name, true, [&] {
      if (layers.size() != 1) fail("its manifest has {} layers, want 1", layers.size());
      return trust::verify_bundle(attached.blob(layers.front(), limit()), image_, predicate_type_, keys_);
    });
  }

  size_t limit() const { return predicate_type_ == trust::sign_predicate ? max_signature : max_statement; }

  oci::Digest image_;
  const std::vector<trust::PublicKey>& keys_;
  const std::string& predicate_type_;
};

std::vector<Candidate> candidates_of(const OpenedImage& image, const oci::ImageLocation& location,
                                     const oci::Digest& subject, const std::vector<trust::PublicKey>& keys,
                                     const std::string& predicate_type, store::Cache& cache,
                                     const Registries& registries) {
  Examination examination(subject, keys, predicate_type);
  visit_attached(
      image, location, subject, cache, registries,
      [&](const AttachedManifest& attached, const std::string& tag) { examination.look_at(attached, tag); },
      [&](const std::string& name, const std::string& why) { examination.broken(name, why); });
  return std::move(examination.candidates);
}

// The manifest under the tag for classic signatures, if there is one.
std::optional<trust::ClassicManifest> classic_manifest(const OpenedImage& image,
                                                       const oci::ImageLocation& location,
                                                       const oci::Digest& subject, store::Cache& cache,
                                                       const Registries& registries) {
  for (const store::FoundAttachment& found : list_attachments(image, location, subject, registries)) {
    if (!found.tag.ends_with(".sig")) continue;
    trust::ClassicManifest before{checked(*image.source, found.descriptor, cache), ""};
    const oci::Manifest manifest = oci::parse_manifest(before.manifest_json, "the signatures that are there");
    before.config_json = checked(*image.source, manifest.config, cache);
    return before;
  }
  return std::nullopt;
}

std::string reference_of(const oci::ImageLocation& location, const SignOptions& options) {
  if (!options.docker_reference.empty() || location.transport != oci::Transport::registry)
    return options.docker_reference;
  const oci::Reference reference = oci::parse_reference(location.path);
  return reference.host + "/" + reference.repository;
}

// Those that are not beside the image yet.
std::vector<store::Attachment> not_listed(const OpenedImage& image, const oci::ImageLocation& location,
                                          const std::vector<store::Attachment>& attachments,
                                          const Registries& registries) {
  std::vector<store::Attachment> missing;
  for (const store::Attachment& one : attachments) {
    const auto found = list_attachments(image, location, one.subject, registries);
    const bool is_there = std::any_of(found.begin(), found.end(), [&](const store::FoundAttachment& other) {
      return other.descriptor.digest == one.descriptor.digest;
    });
    if (!is_there) missing.push_back(one);
  }
  return missing;
}

// Attaches what `missing` gives until it gives nothing. Tags, and lists of referrers where a registry has no
// API for them, are read, changed and written: who does the same at the same time from another machine takes
// away what came between. So they are looked at again a moment later. Where a registry lists nothing, what
// has no tag of its own would never be found: an error, unless the same is found by a tag (`is_tagged`).
void attach_missing(const oci::ImageLocation& location, store::Cache& cache, const Registries& registries,
                    bool is_tagged, const std::function<std::vector<store::Attachment>()>& missing) {
  const base::FileLock lock = cache.lock_lists(lists_name(location));
  std::set<oci::Digest> unlisted;
  const auto left = [&] {
    std::vector<store::Attachment> attachments = missing();
    std::erase_if(attachments, [&](const store::Attachment& one) {
      return one.tag.empty() && unlisted.contains(one.subject);
    });
    return attachments;
  };
  for (int attempt = 0; attempt < max_attempts; ++attempt) {
    std::vector<store::Attachment> attachments = left();
    if (attachments.empty()) break;
    unlisted.merge(attach(location, std::move(attachments), cache, registries));
    if (location.transport != oci::Transport::registry) return;
    std::this_thread::sleep_for(settling);
  }
  if (!left().empty())
    fail(
        "what was put there {} times is not there when it is looked for: others write at the same time and "
        "take it away, "
        "or the registry does not keep it; try again",
        max_attempts);
  for (const oci::Digest& subject : unlisted) {
    if (!is_tagged) fail("{}", unlisted_text(subject));
    if (registries.note) registries.note(oci::to_string(location), unlisted_text(subject));
  }
}

}  // namespace

void visit_attached(const OpenedImage& image, const oci::ImageLocation& location, const oci::Digest& subject,
                    store::Cache& cache, const Registries& registries,
                    const std::function<void(const AttachedManifest&, const std::string& tag)>& visit,
                    const std::function<void(const std::string& name, const std::string& why)>& broken) {
  auto found = list_attachments(image, location, subject, registries);
  if (found.size() > max_attached) {
    broken("the list of what belongs to it",
           fmt::format("it names {} manifests; only {} were looked at", found.size(), max_attached));
    std::stable_partition(found.begin(), found.end(),
                          [](const store::FoundAttachment& one) { return !one.tag.empty(); });
    found.resize(max_attached);
  }
  for (const store::FoundAttachment& one : found) {
    if (one.tag.empty() && oci::is_index(one.descriptor.media_type)) continue;  // none is kept as an index
    const std::string name = one.tag.empty() ? oci::to_string(one.descriptor.digest) : "tag " + one.tag;
    try {
      if (one.descriptor.size > max_manifest)
        fail("it has {} bytes, want at most {}", one.descriptor.size, max_manifest);
      AttachedManifest attached{name, checked(*image.source, one.descriptor, cache), {}};
      attached.blob = [&](const oci::Descriptor& blob, size_t limit) {
        if (blob.size > limit) fail("it has {} bytes, want at most {}", blob.size, limit);
        return checked(*image.source, blob, cache);
      };
      visit(attached, one.tag);
    } catch (const base::Error& error) {
      broken(name, error.what());
    }
  }
}

oci::Digest sign_image(const oci::ImageLocation& location, const trust::Signer& signer,
                       const SignOptions& options, store::Cache& cache, const Registries& registries) {
  return with_context("sign", location, [&] {
    const OpenedImage image = open_image(location, cache, registries);
    const std::string reference = reference_of(location, options);
    const std::string predicate(trust::sign_predicate);
    const std::vector<oci::Descriptor> subjects = subjects_of(image, cache);
    attach_missing(location, cache, registries, options.classic, [&] {
      std::vector<store::Attachment> attachments;
      for (const oci::Descriptor& subject : subjects) {
        const auto there = candidates_of(image, location, subject.digest, {signer.public_key()}, predicate,
                                         cache, registries);
        const auto has = [&](bool bundle) {
          return std::any_of(there.begin(), there.end(), [&](const Candidate& one) {
            return one.fault.empty() && one.bundle == bundle &&
                   (bundle || one.accepted.docker_reference == reference);
          });
        };
        if (options.classic && !has(false)) {
          const auto before = classic_manifest(image, location, subject.digest, cache, registries);
          attachments.push_back(
              trust::keep_artifact(trust::classic_signature(signer, reference, subject.digest, before),
                                   subject.digest, cache, store::attachment_tags(subject.digest).front()));
        }
        if (options.bundle && !has(true)) {
          const std::string bundle =
              trust::make_bundle(signer, trust::make_statement(subject.digest, predicate, "{}"));
          attachments.push_back(trust::keep_artifact(
              trust::bundle_artifact(bundle, subject, predicate, options.created), subject.digest, cache));
        }
      }
      // What names the others comes last: who finds the index signed finds its images signed.
      std::reverse(attachments.begin(), attachments.end());
      return attachments;
    });
    return image.top.digest;
  });
}

oci::Digest sign_image(const oci::ImageLocation& location,
                       const std::function<trust::Artifact(const oci::Descriptor& subject)>& make,
                       store::Cache& cache, const Registries& registries) {
  return with_context("sign", location, [&] {
    const OpenedImage image = open_image(location, cache, registries);
    std::vector<store::Attachment> attachments;
    for (const oci::Descriptor& subject : subjects_of(image, cache))
      attachments.push_back(trust::keep_artifact(make(subject), subject.digest, cache));
    std::reverse(attachments.begin(), attachments.end());
    attach_missing(location, cache, registries, false,
                   [&] { return not_listed(image, location, attachments, registries); });
    return image.top.digest;
  });
}

oci::Digest attest_image(const oci::ImageLocation& location, const trust::Signer& signer, const Claim& claim,
                         int64_t created, store::Cache& cache, const Registries& registries) {
  return with_context("attest", location, [&] {
    const OpenedImage image = open_image(location, cache, registries);
    const oci::Descriptor subject = claim.subject.value_or(image.top);
    checked(*image.source, subject, cache);
    const std::string bundle = trust::make_bundle(
        signer, trust::make_statement(subject.digest, claim.predicate_type, claim.predicate));
    const std::vector<store::Attachment> attachments{trust::keep_artifact(
        trust::bundle_artifact(bundle, subject, claim.predicate_type, created), subject.digest, cache)};
    const oci::Json stated = oci::parse_json(claim.predicate, "the predicate", trust::max_payload);
    const auto there = candidates_of(image, location, subject.digest, {signer.public_key()},
                                     claim.predicate_type, cache, registries);
    const bool is_stated = std::any_of(there.begin(), there.end(), [&](const Candidate& one) {
      return one.fault.empty() && one.bundle &&
             oci::parse_json(one.accepted.predicate, one.name, trust::max_payload) == stated;
    });
    if (!is_stated)
      attach_missing(location, cache, registries, false,
                     [&] { return not_listed(image, location, attachments, registries); });
    return subject.digest;
  });
}

bool is_verified(const Verification& verification) {
  return std::any_of(verification.candidates.begin(), verification.candidates.end(),
                     [](const Candidate& candidate) { return candidate.fault.empty(); });
}

Verification verify_image(const oci::ImageLocation& location, const std::vector<trust::PublicKey>& keys,
                          const std::string& predicate_type, store::Cache& cache,
                          const Registries& registries) {
  return with_context("verify", location, [&] {
    const OpenedImage image = open_image(location, cache, registries);
    checked(*image.source, image.top, cache);
    return Verification{
        image.top, candidates_of(image, location, image.top.digest, keys, predicate_type, cache, registries)};
  });
}

Verification verify_image(
    const oci::ImageLocation& location,
    const std::function<std::optional<std::string>(const AttachedManifest&, const oci::Descriptor& image)>&
        judge,
    store::Cache& cache, const Registries& registries) {
  return with_context("verify", location, [&] {
    const OpenedImage image = open_image(location, cache, registries);
    checked(*image.source, image.top, cache);
    Verification verification{image.top, {}};
    const auto look_at = [&](const AttachedManifest& attached) {
      const std::string name = "signature " + attached.name;
      try {
        if (const auto remark = judge(attached, image.top)) {
          Candidate& good = verification.candidates.emplace_back();
          good.name = name;
          good.remark = *remark;
        }
      } catch (const base::Error& error) {
        verification.candidates.push_back({name, error.what(), {}, false, {}});
      }
    };
    visit_attached(
        image, location, image.top.digest, cache, registries,
        [&](const AttachedManifest& attached, const std::string& tag) {
          if (tag.empty()) look_at(attached);
        },
        [&](const std::string& name, const std::string& why) {
          verification.candidates.push_back({name, why, {}, false, {}});
        });
    return verification;
  });
}

std::string why_refused(const oci::ImageLocation& location, const Verification& verification) {
  std::string text = fmt::format("cannot verify {}: ", oci::to_string(location));
  if (verification.candidates.empty())
    return text + fmt::format("{} has no signature of that kind", oci::to_string(verification.image.digest));
  text += fmt::format("no signature of {} is good", oci::to_string(verification.image.digest));
  for (const Candidate& candidate : verification.candidates)
    if (!candidate.fault.empty()) text += fmt::format("\n  {}: {}", candidate.name, candidate.fault);
  return text;
}

bool is_called(const std::string& said, const std::string& wanted) {
  // docker.io has several names, and names in it a short form.
  const auto known = [](oci::Reference reference) {
    if (reference.host == "index.docker.io" || reference.host.empty()) reference.host = "docker.io";
    if (reference.host == "docker.io" && reference.repository.find('/') == std::string::npos)
      reference.repository.insert(0, "library/");
    return reference;
  };
  try {
    const oci::Reference one = known(oci::parse_reference(said));
    const oci::Reference other = known(oci::parse_reference(wanted));
    return one.host == other.host && one.repository == other.repository &&
           (one.tag.empty() || other.tag.empty() || one.tag == other.tag);
  } catch (const base::Error&) {
    return false;  // no name
  }
}

oci::Digest require_signature(const oci::ImageLocation& location, const std::vector<trust::PublicKey>& keys,
                              const std::string& called, store::Cache& cache, const Registries& registries) {
  Verification verification =
      verify_image(location, keys, std::string(trust::sign_predicate), cache, registries);
  for (Candidate& candidate : verification.candidates) {
    const std::string& said = candidate.accepted.docker_reference;
    if (!candidate.fault.empty() || called.empty() || said.empty() || is_called(said, called)) continue;
    candidate.fault =
        fmt::format("it is a signature for {}, want {}; to accept it: verify: {{ key: …, identity: {} }}",
                    base::printable(said), called, base::printable(said));
  }
  if (!is_verified(verification)) throw base::Error(base::Code::refused, why_refused(location, verification));
  return verification.image.digest;
}

}  // namespace minibuild::build
