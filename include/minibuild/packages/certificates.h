// What update-ca-certificates(8) and Java's hook of it would make.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "minibuild/packages/install.h"

namespace minibuild::packages {

/// The part of a tree that decides what the bundle has to hold: certificates of its own, the choice of the
/// others, the bundle, Java's keystore.
tree::FileTree certificate_part(const tree::FileTree& tree);

/// Puts certificates that came into `tree` after `before` was taken of it (below
/// usr/local/share/ca-certificates, or chosen by etc/ca-certificates.conf) into the bundle and, where there
/// is one, Java's keystore, with the links to each that update-ca-certificates makes. Trees without a bundle,
/// and bundles that changed since themselves, stay as they are. Certificates of `packages` count also where
/// the image has not their files.
void update_certificates(const tree::FileTree& before, const std::vector<Package>& packages, Format format,
                         int64_t epoch, tree::FileTree& tree, std::vector<std::string>& warnings);

/// The same for packages that are just being installed: `whole` has them, `made` gets what is made.
void make_certificates(const tree::FileTree& whole, const std::vector<Package>& packages, Format format,
                       int64_t epoch, tree::FileTree& made);
/// Java's keystore of all certificates of `whole`, unless it has one.
void make_java_keystore(const tree::FileTree& whole, const std::vector<Package>& packages, int64_t epoch,
                        tree::FileTree& made);

}  // namespace minibuild::packages
