// What the forms of output share.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/store/output.h"

namespace minibuild::store {

inline constexpr std::string_view layout_marker = R"({"imageLayoutVersion":"1.0.0"})";

/// All content of a graph by its digest, each once.
std::map<oci::Digest, Blob> blobs_of(const Graph& graph);
/// The tags that the image gets: the destination's, else those of its names, else `latest`.
std::vector<std::string> tags_for(const oci::ImageLocation& destination, const Product& product);
/// The entries of index.json: one for each tag, and one for each manifest that belongs to the image.
std::vector<oci::Json> index_entries(const oci::ImageLocation& destination, const Product& product,
                                     const Graph& graph);
oci::Json index_entry(const Attachment& attachment);
/// An index.json.
std::string index_of(const std::vector<oci::Json>& entries);

void write_layout(const oci::ImageLocation& destination, const Product& product, Cache& cache);
void check_layout(const std::string& directory);
void write_directory(const oci::ImageLocation& destination, const Product& product);
void check_directory(const std::string& directory);

}  // namespace minibuild::store
