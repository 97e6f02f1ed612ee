#include "builder/pipeline/targets.h"

#include <optional>

#include "minibuild/base/file.h"
#include "minibuild/base/text.h"
#include "minibuild/build/signatures.h"
#include "minibuild/store/output.h"
#include "minibuild/store/special_files.h"
#include "minibuild/trust/cosign.h"

namespace minibuild::pipeline {

using base::Code;

bool can_be_signed(const oci::ImageLocation& place) {
  return place.transport == oci::Transport::registry || place.transport == oci::Transport::oci_layout;
}

namespace {

bool holds_attachments(const oci::ImageLocation& place) {
  return can_be_signed(place) || place.transport == oci::Transport::oci_archive;
}

// The image as it was just written there: by its digest in registries, by its tag in layouts.
oci::ImageLocation written_place(const oci::ImageLocation& target, const build::Built& built) {
  if (target.transport == oci::Transport::registry) {
    oci::Reference reference = oci::parse_reference(target.path);
    reference.digest = store::top_of(built.set).digest;
    return {oci::Transport::registry, oci::to_string(reference), ""};
  }
  oci::ImageLocation place = target;
  if (place.tag.empty() && !built.names.empty()) place.tag = built.names.front().tag;
  return place;
}

}  // namespace

std::optional<store::PlainTree> plain_for(const oci::ImageLocation& target, const tree::FileTree& tree,
                                          SpecialFiles special,
                                          const std::function<void(const std::string& text)>& warn) {
  if (target.transport != oci::Transport::directory) return std::nullopt;
  store::PlainTree plain = store::plain_tree(tree, special == SpecialFiles::preserve);
  const std::string name = oci::to_string(target);
  if (!plain.left_out.empty())
    warn(fmt::format(
        "{} is without what would act on this machine: {}; --preserve-special makes it, and tar: holds it",
        name, plain.left_out));
  if (!plain.attributes.empty())
    warn(fmt::format(
        "{} is without extended attributes by which this machine decides who may do what: {}; tar: "
        "holds them",
        name, plain.attributes));
  return plain;
}

namespace {

// Calls `write` with the tree as the target can hold it; null stays null.
template <typename Write>
void with_plain_tree(const oci::ImageLocation& target, const tree::FileTree* tree, const Wish& wish,
                     build::Progress& progress, Write write) {
  if (tree == nullptr) return write(nullptr);
  const auto plain = plain_for(target, *tree, wish.special_files,
                               [&](const std::string& text) { progress.note("output", "warning: " + text); });
  write(plain ? &plain->tree : tree);
}

}  // namespace

void refuse_image_targets(const std::vector<oci::ImageLocation>& targets) {
  if (targets.empty())
    throw base::Error(Code::usage,
                      "--stage needs a place for the stage's files; add -o dir:DIR or -o tar:FILE");
  for (const oci::ImageLocation& target : targets)
    if (target.transport != oci::Transport::directory && target.transport != oci::Transport::tar)
      throw base::Error(Code::usage,
                        fmt::format("a stage's result is a file tree; write it with dir: or tar:, not {}",
                                    oci::to_string(target)));
}

void write_tree(const tree::FileTree& tree, const Wish& wish, store::Cache& cache,
                build::Progress& progress) {
  const store::ImageSet none;
  for (const oci::ImageLocation& target : wish.targets)
    with_plain_tree(target, &tree, wish, progress, [&](const tree::FileTree* made) {
      store::write_output(target, {&none, {}, made, 0}, cache);
    });
}

void Publication::write() const {
  store::ImageSet bare = built_.set;
  bare.attachments.clear();
  for (const oci::ImageLocation& target : targets_)
    with_plain_tree(target, built_.trees.size() == 1 ? &built_.trees.front() : nullptr, wish_,
                    edges_.progress, [&](const tree::FileTree* tree) {
                      build::write_output(
                          target,
                          {holds_attachments(target) ? &built_.set : &bare, built_.names, tree, built_.epoch},
                          cache_, registries_);
                    });
  if (built_.set.attachments.empty()) return;
  for (const oci::ImageLocation& target : targets_)
    if (!holds_attachments(target))
      edges_.progress.note("attest",
                           fmt::format("warning: {} cannot hold SBOMs and provenance; write them into a "
                                       "registry, oci:DIR or oci-archive:FILE too",
                                       oci::to_string(target)));
}

void Publication::sign(const std::vector<build::Statement>& statements) const {
  if (!wish_.signer) return;
  const int64_t time = wish_.epoch.value_or(edges_.now());
  for (const oci::ImageLocation& target : targets_) {
    if (!can_be_signed(target)) continue;
    for (const build::Statement& statement : statements)
      build::attest_image(written_place(target, built_), *wish_.signer,
                          {statement.predicate_type, statement.predicate, statement.subject}, time, cache_,
                          registries_);
  }
  build::SignOptions options;
  options.created = time;
  options.classic = trust::has_classic_form(wish_.signer->public_key());
  if (!built_.names.empty()) {
    oci::Reference name = built_.names.front();
    name.tag.clear();
    options.docker_reference = oci::to_string(name);
  }
  for (const oci::ImageLocation& target : targets_) {
    if (!can_be_signed(target)) continue;
    build::SignOptions own = options;
    if (target.transport == oci::Transport::registry) own.docker_reference.clear();
    const oci::ImageLocation place = written_place(target, built_);
    build::sign_image(place, *wish_.signer, own, cache_, registries_);
    edges_.progress.note("sign", "signed " + oci::to_string(place));
  }
}

oci::ImageLocation default_target(const std::string& spec, const std::vector<oci::Reference>& names) {
  if (!names.empty()) {
    const std::string& repository = names.front().repository;
    return {oci::Transport::oci_layout, repository.substr(repository.rfind('/') + 1) + ".oci", ""};
  }
  std::string stem = base::file_name(spec);
  stem = stem.substr(0, stem.rfind('.'));
  if (stem == "minibuild") stem = base::file_name(base::real_path(base::parent_path(spec)));
  if (stem.empty() || stem == "/") stem = "image";
  return {oci::Transport::oci_layout, stem + ".oci", ""};
}

}  // namespace minibuild::pipeline
