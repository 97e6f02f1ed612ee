#include "minibuild/store/attachments.h"

#include <algorithm>
#include <set>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::store {

using base::fail;

namespace {

constexpr size_t max_attachments = 1000;

// What was found, and what it names in turn if it is an index.
Graph read_found(const FoundAttachment& found, const oci::Digest& subject, const BlobSource& source,
                 Cache& cache) {
  Graph graph = read_graph(source, found.descriptor, cache);
  const std::string what = "what belongs to it, " + oci::to_string(found.descriptor.digest);
  if (found.tag.empty() && subject_of(graph.documents.back().json, what) != subject)
    fail("{}: its subject is not {}", what, oci::to_string(subject));
  Document document = std::move(graph.documents.back());
  graph.documents.pop_back();
  Attachment attachment{found.descriptor, std::move(document.json), subject, found.tag, {}};
  for (Blob& blob : document.blobs)
    attachment.blobs.push_back({std::move(blob.descriptor), {}, std::move(blob.path)});
  graph.attachments.push_back(std::move(attachment));
  return graph;
}

}  // namespace

std::vector<FoundAttachment> list_attachments(const BlobSource& source, const oci::Digest& subject) {
  const auto text = source.file("index.json", oci::max_json_size);
  if (!text) fail("it has no index.json");
  std::vector<FoundAttachment> found;
  const std::vector<std::string> tags = attachment_tags(subject);
  for (oci::Descriptor& entry : oci::parse_index(*text, "index.json").manifests) {
    const std::string tag = oci::tag_of(entry);
    const bool tagged = std::find(tags.begin(), tags.end(), tag) != tags.end();
    if (!oci::is_document(entry.media_type) || entry.digest == subject) continue;
    bool belongs = tagged;
    if (!tagged) {
      try {
        const auto bytes = source.document(entry);
        belongs = bytes && subject_of(*bytes, "manifest " + oci::to_string(entry.digest)) == subject;
        if (tag.empty() && (!bytes || !oci::has_digest(*bytes, entry.digest))) belongs = true;
      } catch (const base::Error&) {
        belongs = tag.empty();
      }
    }
    entry.annotations.erase(oci::ref_name);
    if (belongs) found.push_back({std::move(entry), tagged ? tag : ""});
  }
  return found;
}

std::optional<oci::Digest> subject_of(const std::string& json_text, const std::string& what) {
  const oci::Json json = oci::parse_json(json_text, what);
  if (!json.is_object() || !json.contains("subject")) return std::nullopt;
  const oci::Json& subject = json["subject"];
  if (!subject.is_object() || !subject.contains("digest") || !subject["digest"].is_string())
    fail("cannot read {}: its subject has no digest", what);
  return oci::parse_digest(subject["digest"].get<std::string>(), what);
}

std::vector<std::string> attachment_tags(const oci::Digest& subject) {
  const std::string start = oci::referrers_tag(subject);
  return {start + ".sig", start + ".att", start + ".sbom"};
}

std::string artifact_type_of(std::string_view media_type, const std::string& json_text) {
  const oci::Json json = oci::parse_json(json_text, "a manifest");
  const auto type = json.find("artifactType");
  if (type != json.end() && type->is_string() && !type->get_ref<const std::string&>().empty())
    return type->get<std::string>();
  return oci::is_index(media_type) ? "" : oci::parse_manifest(json_text, "a manifest").config.media_type;
}

bool is_attachment_tag(std::string_view tag) {
  return (tag.starts_with("sha256-") || tag.starts_with("sha512-")) && tag.find('.') == 71 &&
         (tag.ends_with(".sig") || tag.ends_with(".att") || tag.ends_with(".sbom"));
}

void read_attachments(Graph& graph, const BlobSource& source, const FindAttachments& find, Cache& cache) {
  std::vector<oci::Digest> subjects;
  for (const Document& document : graph.documents) subjects.push_back(document.descriptor.digest);
  std::set<oci::Digest> known(subjects.begin(), subjects.end());
  for (size_t i = 0; i < subjects.size(); ++i) {
    const oci::Digest subject = subjects[i];
    for (const FoundAttachment& found : find(subject)) {
      if (!oci::is_document(found.descriptor.media_type) || !known.insert(found.descriptor.digest).second)
        continue;
      if (graph.attachments.size() == max_attachments)
        fail("more than {} manifests belong to it", max_attachments);
      Graph read = read_found(found, subject, source, cache);
      graph.attachments.push_back(std::move(read.attachments.front()));
      subjects.push_back(found.descriptor.digest);
      // What an index has in it; the top stays the last.
      std::vector<Document> more;
      for (Document& document : read.documents)
        if (known.insert(document.descriptor.digest).second) {
          subjects.push_back(document.descriptor.digest);
          more.push_back(std::move(document));
        }
      graph.documents.insert(graph.documents.end() - 1, std::make_move_iterator(more.begin()),
                             std::make_move_iterator(more.end()));
    }
  }
}

}  // namespace minibuild::store
