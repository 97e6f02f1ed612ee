// What update-ca-certificates(8) and its Java hook would generate.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "minibuild/packages/install.h"

namespace minibuild::packages {

/// The part of a tree that determines the contents of the bundle: locally added certificates, the selection
/// of the others, the bundle itself, and Java's keystore.
tree::FileTree certificate_part(const tree::FileTree& tree);

/// Adds certificates that appeared in `tree` since `before` was taken (below usr/local/share/ca-certificates,
/// or selected by etc/ca-certificates.conf) to the bundle and, if there is one, to Java's keystore, with the
/// links that update-ca-certificates makes for each. Trees without a bundle, and bundles that have themselves
/// changed since `before`, are left alone. Certificates from `packages` count even if the image lacks their
/// files.
void update_certificates(const tree::FileTree& before, const std::vector<Package>& packages, Format format,
                         int64_t epoch, tree::FileTree& tree, std::vector<std::string>& warnings);

/// The same for packages that are being installed: `whole` contains them, `made` receives the generated
/// files.
void make_certificates(const tree::FileTree& whole, const std::vector<Package>& packages, Format format,
                       int64_t epoch, tree::FileTree& made);
/// Generates Java's keystore from all certificates of `whole`, unless it already has one.
void make_java_keystore(const tree::FileTree& whole, const std::vector<Package>& packages, int64_t epoch,
                        tree::FileTree& made);

}  // namespace minibuild::packages
