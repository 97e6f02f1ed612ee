#include "minibuild/packages/certificates.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::packages {

namespace {

constexpr uint64_t max_certificates = uint64_t{16} << 20;
constexpr const char* bundle_path = "etc/ssl/certs/ca-certificates.crt";
constexpr const char* links_path = "etc/ssl/certs";
constexpr const char* keystore_path = "etc/ssl/certs/java/cacerts";
constexpr const char* choice_path = "etc/ca-certificates.conf";
constexpr const char* system_path = "usr/share/ca-certificates";
constexpr const char* local_path = "usr/local/share/ca-certificates";

constexpr std::string_view choice_head =
    "# This file lists certificates that you wish to use or to ignore to be\n"
    "# installed in /etc/ssl/certs.\n"
    "# update-ca-certificates(8) will update /etc/ssl/certs by reading this file.\n"
    "#\n"
    "# Certificates should be installed under /usr/share/ca-certificates\n"
    "# and files with extension '.crt' is recognized as available certs.\n"
    "#\n"
    "# line begins with # is comment.\n"
    "# line begins with ! is certificate filename to be deselected.\n"
    "#\n";

struct Certificate {
  std::string path;
  std::string text;
  bool in_image = true;
};

struct Parsed {
  std::string der;   // of the first certificate
  std::string hash;  // of its subject, as OpenSSL names files by it
  size_t count = 0;
};

Parsed parse(const std::string& text) {
  ::OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
  Parsed parsed;
  const std::unique_ptr<BIO, decltype(&::BIO_free)> bio(
      ::BIO_new_mem_buf(text.data(), static_cast<int>(std::min<size_t>(text.size(), max_certificates))),
      &::BIO_free);
  while (bio != nullptr) {
    const std::unique_ptr<X509, decltype(&::X509_free)> one(
        ::PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &::X509_free);
    if (one == nullptr) break;
    if (++parsed.count > 1) continue;
    unsigned char* der = nullptr;
    const int size = ::i2d_X509(one.get(), &der);
    if (size > 0) parsed.der.assign(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
    ::OPENSSL_free(der);
    int ok = 0;
    const unsigned long hash = ::X509_NAME_hash_ex(::X509_get_subject_name(one.get()), nullptr, nullptr, &ok);
    if (ok != 0) parsed.hash = fmt::format("{:08x}", hash & 0xffffffffUL);
  }
  return parsed;
}

const tree::Node* file_at(const tree::FileTree& tree, std::string_view path) {
  const tree::Node* node = tree.find(tree.resolve(path, true));
  return node != nullptr && node->type == tree::NodeType::file ? node : nullptr;
}

std::string certificates_at(const tree::FileTree& tree, std::string_view path) {
  const tree::Node* node = file_at(tree, path);
  return node == nullptr ? std::string() : tree::read_content(node->content, max_certificates);
}

// As `find -L DIRECTORY -name '*.crt'` names them.
std::map<std::string, std::string> certificates_below(const tree::FileTree& tree, const std::string& top) {
  std::map<std::string, std::string> found;
  const std::string real = tree.resolve(top, true);
  tree::for_each_below(tree, real, [&](const std::string& path, const tree::Node& node) {
    if (node.type == tree::NodeType::directory || !path.ends_with(".crt")) return;
    const tree::Node* file = file_at(tree, path);
    if (file != nullptr)
      found[top + path.substr(real.size())] = tree::read_content(file->content, max_certificates);
  });
  return found;
}

std::vector<std::string> chosen_lines(const std::string& text) {
  std::vector<std::string> lines = base::split(text, '\n');
  std::erase_if(lines, [](const std::string& line) { return line.empty() || line.starts_with('#'); });
  return lines;
}

// Those of packages, in the order of the bundle: all, or as the image's own list chooses.
std::vector<Certificate> system_certificates(const tree::FileTree& tree,
                                             const std::vector<Package>& packages) {
  std::map<std::string, std::string> known = certificates_below(tree, system_path);
  std::set<std::string> present;
  for (const auto& [path, text] : known) present.insert(path);
  // Of the packages themselves: a choice may leave the single files out of the image.
  for (const Package& package : packages) known.merge(certificates_below(package.tree, system_path));
  std::vector<Certificate> chosen;
  const auto add = [&](const std::string& path) {
    chosen.push_back({path, known[path], present.contains(path)});
  };
  const std::vector<std::string> choice = chosen_lines(certificates_at(tree, choice_path));
  if (choice.empty())
    for (const auto& [path, text] : known) add(path);
  for (const std::string& line : choice)
    if (!line.starts_with('!') && known.contains(tree::join_path(system_path, line)))
      add(tree::join_path(system_path, line));
  return chosen;
}

std::vector<Certificate> local_certificates(const tree::FileTree& tree) {
  std::vector<Certificate> all;
  for (auto& [path, text] : certificates_below(tree, local_path)) all.push_back({path, text});
  return all;
}

void add_text(std::string& bundle, const std::string& text) {
  bundle += text;
  if (!bundle.empty() && !bundle.ends_with('\n')) bundle += '\n';
}

// The name of the link to a certificate: as the package's script, or Alpine's program, makes it.
std::string link_name(const std::string& path, Format format) {
  std::string name(tree::name_of(path));
  name.resize(name.size() - std::string_view(".crt").size());
  for (char& c : name)
    if (c == ' ' || c == ',')
      c = '_';
    else if (c == '(' || c == ')')
      c = '=';
  return (format == Format::apk ? "ca-cert-" : "") + name + ".pem";
}

// Writes below etc/ssl/certs, wherever that is, and sees what was there and what was made.
struct Writer {
  const tree::FileTree& whole;
  tree::FileTree& made;
  int64_t epoch;

  std::string place(const std::string& path) const { return whole.resolve(path, false); }
  const tree::Node* at(const std::string& path) const {
    const tree::Node* node = made.find(place(path));
    return node != nullptr ? node : whole.find(place(path));
  }
  void write(const std::string& path, std::string bytes) const {
    made.put(whole.resolve(path, true), tree::file_node(tree::inline_content(std::move(bytes)), epoch), 0);
  }
  void link(const std::string& path, const std::string& target) const {
    made.put(place(path), tree::symlink_node(target, epoch), 0);
  }
};

// `openssl rehash`: by the hash of the subject, numbered where several have the same.
void link_certificates(const std::vector<Certificate>& certificates, Format format, const Writer& writer) {
  std::map<std::string, const Certificate*> by_name;
  for (const Certificate& one : certificates)
    if (one.in_image) by_name[link_name(one.path, format)] = &one;
  for (const auto& [name, one] : by_name) writer.link(tree::join_path(links_path, name), "/" + one->path);
  std::set<std::string> seen;
  for (const auto& [name, one] : by_name) {
    const Parsed parsed = parse(one->text);
    if (parsed.count != 1 || parsed.hash.empty() || !seen.insert(parsed.der).second) continue;
    for (int number = 0; number < 1000; ++number) {
      const std::string path = fmt::format("{}/{}.{}", links_path, parsed.hash, number);
      const tree::Node* there = writer.at(path);
      if (there != nullptr && there->target != name) continue;
      if (there == nullptr) writer.link(path, name);
      break;
    }
  }
}

// --- Java's own form of a keystore (JKS), in which ca-certificates-java keeps it ---

void put_number(std::string& out, uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i) & 0xffU));
}

void put_text(std::string& out, std::string_view text) {
  put_number(out, text.size(), 2);
  out += text;
}

// The checksum is keyed with a password that everybody knows: Debian's package and the JDK have this one.
std::string keystore_checksum(const std::string& bytes) {
  std::string text;
  for (const char c : std::string_view("changeit")) text += {'\0', c};
  text += "Mighty Aphrodite" + bytes;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (::EVP_Digest(text.data(), text.size(), digest, &size, ::EVP_sha1(), nullptr) != 1)
    base::fail("cannot compute the checksum of /{}", keystore_path);
  return {reinterpret_cast<const char*>(digest), size};
}

// Entries are by alias.
std::string write_keystore(const std::map<std::string, std::string>& entries, int64_t epoch) {
  std::string out;
  put_number(out, 0xfeedfeedU, 4);
  put_number(out, 2, 4);
  put_number(out, entries.size(), 4);
  for (const auto& [alias, der] : entries) {
    put_number(out, 2, 4);  // a certificate that is trusted
    put_text(out, alias);
    put_number(out, static_cast<uint64_t>(epoch) * 1000, 8);
    put_text(out, "X.509");
    put_number(out, der.size(), 4);
    out += der;
  }
  return out + keystore_checksum(out);
}

// Nothing if it is of another form, holds keys, or is damaged.
std::optional<std::map<std::string, std::string>> read_keystore(const std::string& text) {
  if (text.size() < 32) return std::nullopt;
  const std::string_view body = std::string_view(text).substr(0, text.size() - 20);
  size_t at = 0;
  bool good = true;
  const auto number = [&](int bytes) {
    uint64_t value = 0;
    if (body.size() - at < static_cast<size_t>(bytes)) {
      good = false;
      return value;
    }
    for (int i = 0; i < bytes; ++i) value = value << 8U | static_cast<unsigned char>(body[at++]);
    return value;
  };
  const auto bytes = [&](uint64_t size) {
    if (!good || body.size() - at < size) {
      good = false;
      return std::string();
    }
    at += size;
    return std::string(body.substr(at - size, size));
  };
  const uint64_t magic = number(4);
  const uint64_t version = number(4);
  if (magic != 0xfeedfeedU || version != 2) return std::nullopt;
  std::map<std::string, std::string> entries;
  for (uint64_t left = number(4); left > 0 && good; --left) {
    if (number(4) != 2) return std::nullopt;
    const std::string alias = bytes(number(2));
    number(8);
    if (bytes(number(2)) != "X.509") return std::nullopt;
    entries[alias] = bytes(number(4));
  }
  if (!good || at != body.size() || keystore_checksum(std::string(body)) != text.substr(body.size()))
    return std::nullopt;
  return entries;
}

void add_entries(std::map<std::string, std::string>& entries, const std::vector<Certificate>& certificates) {
  for (const Certificate& one : certificates) {
    const std::string alias = base::lower_case("debian:" + link_name(one.path, Format::deb));
    const Parsed parsed = parse(one.text);
    if (!parsed.der.empty() && alias.size() < 65536) entries[alias] = parsed.der;
  }
}

// Where the files are not known, the certificates of the bundle have names by their hashes.
std::vector<Certificate> bundle_certificates(const std::string& bundle) {
  std::vector<Certificate> all;
  constexpr std::string_view end = "-----END CERTIFICATE-----\n";
  std::map<std::string, int> numbers;
  for (size_t at = 0; at < bundle.size();) {
    const size_t stop = bundle.find(end, at);
    if (stop == std::string::npos) break;
    const std::string text = bundle.substr(at, stop + end.size() - at);
    at = stop + end.size();
    const std::string hash = parse(text).hash;
    if (!hash.empty()) all.push_back({fmt::format("{}.{}.crt", hash, numbers[hash]++), text, false});
  }
  return all;
}

bool same_file(const tree::FileTree& before, const tree::FileTree& tree, const char* path) {
  return certificates_at(before, path) == certificates_at(tree, path);
}

}  // namespace

tree::FileTree certificate_part(const tree::FileTree& tree) {
  tree::FileTree part;
  for (const char* path : {bundle_path, keystore_path, choice_path})
    if (const tree::Node* node = file_at(tree, path)) part.put(path, *node, 0);
  for (const auto& [path, text] : certificates_below(tree, local_path))
    part.put(path, tree::file_node(tree::inline_content(text), 0), 0);
  return part;
}

void make_certificates(const tree::FileTree& whole, const std::vector<Package>& packages, Format format,
                       int64_t epoch, tree::FileTree& made) {
  if (file_at(whole, bundle_path) != nullptr && file_at(whole, choice_path) == nullptr) return;
  const std::vector<Certificate> system = system_certificates(whole, packages);
  std::vector<Certificate> all = system;
  for (Certificate& one : local_certificates(whole)) all.push_back(std::move(one));
  std::string bundle;
  for (const Certificate& one : all) add_text(bundle, one.text);
  if (bundle.empty()) return;
  const Writer writer{whole, made, epoch};
  writer.write(bundle_path, std::move(bundle));
  link_certificates(all, format, writer);
  const bool complete = !system.empty() && std::all_of(system.begin(), system.end(),
                                                       [](const auto& one) { return one.in_image; });
  if (!complete || format != Format::deb) return;
  if (whole.find(whole.resolve(local_path)) == nullptr)
    made.put(whole.resolve(local_path), tree::directory_node(0), 0);
  if (file_at(whole, choice_path) != nullptr) return;
  std::string list(choice_head);
  for (const Certificate& one : system)
    list += one.path.substr(std::string_view(system_path).size() + 1) + "\n";
  writer.write(choice_path, std::move(list));
}

void make_java_keystore(const tree::FileTree& whole, const std::vector<Package>& packages, int64_t epoch,
                        tree::FileTree& made) {
  if (file_at(whole, keystore_path) != nullptr) return;
  std::vector<Certificate> system = system_certificates(whole, packages);
  if (system.empty()) system = bundle_certificates(certificates_at(whole, bundle_path));
  std::map<std::string, std::string> entries;
  add_entries(entries, system);
  add_entries(entries, local_certificates(whole));
  if (!entries.empty()) Writer{whole, made, epoch}.write(keystore_path, write_keystore(entries, epoch));
}

void update_certificates(const tree::FileTree& before, const std::vector<Package>& packages, Format format,
                         int64_t epoch, tree::FileTree& tree, std::vector<std::string>& warnings) {
  if (file_at(tree, bundle_path) == nullptr) return;
  const std::vector<Certificate> local = local_certificates(tree);
  const bool chosen_anew = !same_file(before, tree, choice_path);
  if (!chosen_anew && certificates_below(before, local_path) == certificates_below(tree, local_path)) return;
  const std::vector<Certificate> system = system_certificates(tree, packages);
  const Writer writer{tree, tree, epoch};
  // Links to certificates that are not chosen, or no longer there.
  std::set<std::string> wanted;
  for (const auto* list : {&system, &local})
    for (const Certificate& one : *list) wanted.insert("/" + one.path);
  const std::string links = tree.resolve(links_path, true);
  std::set<std::string> gone;
  tree::for_each_below(tree, links, [&](const std::string& path, const tree::Node& node) {
    const bool ours = node.type == tree::NodeType::symlink &&
                      (node.target.starts_with(std::string("/") + system_path + "/") ||
                       node.target.starts_with(std::string("/") + local_path + "/"));
    if (ours && !wanted.contains(node.target)) gone.insert(path);
  });
  tree::for_each_below(tree, links, [&](const std::string& path, const tree::Node& node) {
    if (node.type == tree::NodeType::symlink && gone.contains(tree::join_path(links, node.target)))
      gone.insert(path);
  });
  for (const std::string& path : gone) tree.remove(path);

  if (same_file(before, tree, bundle_path)) {
    std::string bundle;
    if (system.empty()) bundle = certificates_at(tree, bundle_path);
    for (const Certificate& one : system) add_text(bundle, one.text);
    for (const Certificate& one : local)
      if (!system.empty() || bundle.find(one.text) == std::string::npos) add_text(bundle, one.text);
    writer.write(bundle_path, std::move(bundle));
  }
  std::vector<Certificate> all = system;
  all.insert(all.end(), local.begin(), local.end());
  link_certificates(all, format, writer);
  if (file_at(tree, keystore_path) == nullptr || !same_file(before, tree, keystore_path)) return;
  std::map<std::string, std::string> entries;
  if (auto there = read_keystore(certificates_at(tree, keystore_path))) {
    entries = std::move(*there);
  } else if (system.empty()) {
    warnings.push_back(fmt::format(
        "the certificates below /{} are not in Java's keystore /{}, which is not of the form that Debian's "
        "package makes; write it with keytool in a stage",
        local_path, keystore_path));
    return;
  }
  if (!system.empty()) entries.clear();
  add_entries(entries, system);
  add_entries(entries, local);
  writer.write(keystore_path, write_keystore(entries, epoch));
}

}  // namespace minibuild::packages
