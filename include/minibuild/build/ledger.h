// What a build actually read, recorded when the bytes were read.
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

/// Provenance is derived from this, never from what is on disk afterwards. Its functions may be called from
/// several threads at once.
class Ledger {
 public:
  /// Also records the content of copied files, which must be read once more for this than a build does.
  void note_contents() { contents_ = true; }
  bool notes_contents() const { return contents_; }

  /// Adds a spec, a policy, an image on disk or copied files; each is recorded once.
  void add(trust::Resource resource);
  /// Adds an image from a registry; called once for each platform that is used.
  void add_image(const std::string& name, const oci::Platform& platform, const oci::Digest& digest);
  void add_download(const std::string& url, const oci::Digest& digest);
  /// Adds a stage whose commands had network access: what they fetched is unknown.
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
