#include "minibuild/tree/file_tree.h"

#include <fcntl.h>

#include <algorithm>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::tree {

using base::fail;

Content inline_content(std::string bytes) {
  const uint64_t size = bytes.size();
  return {InlineBytes{std::make_shared<const std::string>(std::move(bytes))}, size};
}

bool same_place(const Content& a, const Content& b) {
  if (a.size != b.size || a.where.index() != b.where.index()) return false;
  if (const auto* bytes = std::get_if<InlineBytes>(&a.where)) {
    const auto& other = std::get<InlineBytes>(b.where);
    return bytes->bytes == other.bytes || (bytes->bytes && other.bytes && *bytes->bytes == *other.bytes) ||
           a.size == 0;
  }
  if (const auto* file = std::get_if<DiskFile>(&a.where))
    return file->stamp == std::get<DiskFile>(b.where).stamp;
  const auto& slice = std::get<Slice>(a.where);
  const auto& other = std::get<Slice>(b.where);
  return slice.offset == other.offset && slice.archive->sha256 == other.archive->sha256;
}

void read_extents(const Extents& extents, int fd, const std::string& what, uint64_t offset,
                  std::span<char> buffer) {
  std::fill(buffer.begin(), buffer.end(), '\0');
  const uint64_t end = offset + buffer.size();
  auto part = std::partition_point(extents.begin(), extents.end(),
                                   [&](const Extent& one) { return one.offset + one.length <= offset; });
  for (; part != extents.end() && part->offset < end; ++part) {
    const uint64_t from = std::max(offset, part->offset);
    const uint64_t to = std::min(end, part->offset + part->length);
    base::read_at(fd, buffer.subspan(from - offset, to - from), part->place + (from - part->offset), what);
  }
}

void read_content(const Content& content, uint64_t offset, std::span<char> buffer) {
  if (offset > content.size || buffer.size() > content.size - offset)
    fail("cannot read {} bytes at {}: the content has {} bytes", buffer.size(), offset, content.size);
  if (buffer.empty()) return;
  if (const auto* bytes = std::get_if<InlineBytes>(&content.where)) {
    std::copy_n(bytes->bytes->data() + offset, buffer.size(), buffer.data());
    return;
  }
  if (const auto* slice = std::get_if<Slice>(&content.where)) {
    const base::Fd fd = base::open_file(slice->archive->path);
    if (slice->extents)
      read_extents(*slice->extents, fd.get(), slice->archive->path, offset, buffer);
    else
      base::read_at(fd.get(), buffer, slice->offset + offset, slice->archive->path);
    return;
  }
  const auto& file = std::get<DiskFile>(content.where);
  const base::Fd fd(::open(file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd) fail("cannot open {}: {}", file.path, base::errno_text());
  base::read_at(fd.get(), buffer, offset, file.path);
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) fail("cannot read {}: {}", file.path, base::errno_text());
  if (base::stamp_of(st) != file.stamp)
    fail("cannot read {}: it changed while the image was built; build again", file.path);
}

std::string read_content(const Content& content, uint64_t limit) {
  if (content.size > limit)
    fail("cannot read a file of {} bytes: at most {} are expected here", content.size, limit);
  std::string bytes(content.size, '\0');
  read_content(content, 0, bytes);
  return bytes;
}

Node directory_node(int64_t mtime, uint32_t mode) {
  Node node;
  node.type = NodeType::directory;
  node.mode = mode;
  node.mtime = mtime;
  return node;
}

Node symlink_node(std::string target, int64_t mtime) {
  Node node;
  node.type = NodeType::symlink;
  node.mode = 0777;
  node.mtime = mtime;
  node.target = std::move(target);
  return node;
}

Node file_node(Content content, int64_t mtime, uint32_t mode) {
  Node node;
  node.mode = mode;
  node.mtime = mtime;
  node.content = std::move(content);
  return node;
}

std::string normalise(std::string_view path) {
  std::string out;
  out.reserve(path.size());
  size_t start = 0;
  while (start <= path.size()) {
    const size_t end = std::min(path.find('/', start), path.size());
    const std::string_view part = path.substr(start, end - start);
    start = end + 1;
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      const size_t slash = out.rfind('/');
      out.resize(slash == std::string::npos ? 0 : slash);
      continue;
    }
    if (!out.empty()) out.push_back('/');
    out.append(part);
  }
  return out;
}

std::string join_path(std::string_view directory, std::string_view name) {
  if (directory.empty()) return std::string(name);
  if (name.empty()) return std::string(directory);
  std::string path;
  path.reserve(directory.size() + 1 + name.size());
  path.append(directory).push_back('/');
  path.append(name);
  return path;
}

std::string_view directory_of(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view{} : path.substr(0, slash);
}

std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

bool is_within(std::string_view path, std::string_view directory) {
  return directory.empty() || path == directory ||
         (path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/');
}

const Node* FileTree::find(std::string_view path) const {
  const auto it = nodes_.find(path);
  return it == nodes_.end() ? nullptr : &it->second;
}

Node* FileTree::find(std::string_view path) {
  const auto it = nodes_.find(path);
  return it == nodes_.end() ? nullptr : &it->second;
}

std::string FileTree::resolve(std::string_view path, bool follow_last) const {
  std::vector<std::string> rest;  // components still to walk, the next one last
  const auto push = [&rest](std::string_view text) {
    std::vector<std::string> parts = base::split(text, '/');
    for (auto it = parts.rbegin(); it != parts.rend(); ++it)
      if (!it->empty() && *it != ".") rest.push_back(std::move(*it));
  };
  push(path);
  std::string done;
  int links = 0;
  while (!rest.empty()) {
    const std::string part = std::move(rest.back());
    rest.pop_back();
    if (part == "..") {
      done = std::string(directory_of(done));
      continue;
    }
    std::string next = join_path(done, part);
    const Node* node = find(next);
    if (node != nullptr && node->type == NodeType::symlink && (!rest.empty() || follow_last)) {
      if (++links > 40) fail("cannot resolve /{}: more than 40 symbolic links", path);
      if (node->target.starts_with('/')) done.clear();
      push(node->target);
      continue;
    }
    if (node != nullptr && node->type != NodeType::directory && !rest.empty())
      fail("cannot resolve /{}: /{} is not a directory", path, next);
    done = std::move(next);
  }
  return done;
}

void FileTree::put(const std::string& path, Node node, int64_t mtime) {
  if (path.empty()) return;
  // Trees are mostly filled in order.
  const bool is_last = nodes_.empty() || std::prev(nodes_.end())->first < path;
  const std::string_view parent = directory_of(path);
  const bool has_parent = parent.empty() || nodes_.find(parent) != nodes_.end();
  for (size_t slash = has_parent ? std::string::npos : path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const auto [it, added] = nodes_.try_emplace(path.substr(0, slash));
    if (added) it->second = directory_node(mtime);
  }
  if (is_last && has_parent) {
    nodes_.emplace_hint(nodes_.end(), path, std::move(node));
    return;
  }
  const auto [it, added] = nodes_.try_emplace(path);
  if (!added && (it->second.type == NodeType::directory) && node.type != NodeType::directory) {
    remove(path);
    nodes_.emplace(path, std::move(node));
    return;
  }
  it->second = std::move(node);
}

void FileTree::remove(std::string_view path) {
  const auto self = nodes_.find(path);
  if (self != nodes_.end()) nodes_.erase(self);
  const std::string prefix = std::string(path) + "/";
  auto it = nodes_.lower_bound(prefix);
  while (it != nodes_.end() && it->first.starts_with(prefix)) it = nodes_.erase(it);
}

namespace {

char type_letter(NodeType type) {
  switch (type) {
    case NodeType::directory:
      return 'd';
    case NodeType::file:
      return '-';
    case NodeType::symlink:
      return 'l';
    case NodeType::character_device:
      return 'c';
    case NodeType::block_device:
      return 'b';
    case NodeType::fifo:
      return 'p';
  }
  return '?';
}

std::string hash_content(const Content& content) {
  base::Sha256 hash;
  std::string buffer;
  for (uint64_t offset = 0; offset < content.size; offset += buffer.size()) {
    buffer.resize(std::min<uint64_t>(content.size - offset, uint64_t{1} << 20U));
    read_content(content, offset, buffer);
    hash.update(buffer);
  }
  return base::to_hex(hash.finish());
}

}  // namespace

std::string dump(const FileTree& tree) {
  std::string out;
  std::map<uint64_t, std::string> first_of_group;
  for (const auto& [path, node] : tree.nodes()) {
    out += fmt::format("{} {:04o} {}:{} {} /{}", type_letter(node.type), node.mode, node.uid, node.gid,
                       node.mtime, base::printable(path));
    if (node.type == NodeType::symlink) out += " -> " + base::printable(node.target);
    if (node.type == NodeType::character_device || node.type == NodeType::block_device)
      out += fmt::format(" {},{}", node.device_major, node.device_minor);
    if (node.type == NodeType::file) {
      const auto [first, is_first] = first_of_group.try_emplace(node.link_group, path);
      if (node.link_group != 0 && !is_first)
        out += " = /" + base::printable(first->second);
      else
        out += fmt::format(" {} sha256:{}", node.content.size, hash_content(node.content));
    }
    for (const auto& [name, value] : node.xattrs)
      out += fmt::format(" {}={}", base::printable(name), base::to_hex(value));
    out.push_back('\n');
  }
  return out;
}

}  // namespace minibuild::tree
