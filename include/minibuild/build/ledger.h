// What a build really read, noted when the bytes were read.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "minibuild/oci/digest.h"
#include "minibuild/oci/platform.h"
#include "minibuild/trust/provenance.h"

namespace minibuild::build {

/// Provenance is made of this, never of what is on disk afterwards. Its functions may be called by several
/// threads at once.
class Ledger {
 public:
  /// Whether the content of copied files is to be noted, which means to read them once more than a build
  /// does.
  void note_contents() { contents_ = true; }
  bool notes_contents() const { return contents_; }

  /// A spec, a policy, an image on disk, copied files: each once.
  void add(trust::Resource resource);
  /// An image of a registry, once for each platform that is taken of it.
  void add_image(const std::string& name, const oci::Platform& platform, const oci::Digest& digest);
  void add_download(const std::string& url, const oci::Digest& digest);
  /// A stage whose commands could reach the network: what they fetched is not known.
  void add_open_stage(const std::string& name);

  std::vector<trust::Resource> resources() const;
  std::vector<std::string> open_stages() const;

 private:
  struct Image {
    std::set<std::string> platforms;
    oci::Digest digest;
  };
  mutable std::mutex mutex_;
  std::atomic<bool> contents_ = false;
  std::vector<trust::Resource> resources_;
  std::map<std::string, Image> images_;
  std::map<std::string, oci::Digest> downloads_;
  std::set<std::string> open_stages_;
};

}  // namespace minibuild::build
