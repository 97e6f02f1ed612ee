// The guarantee for secrets that a build was given: nothing that it writes holds one of them, in any of the
// encodings that tools put them into.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace minibuild::trust {

/// Where a secret shows up.
struct SecretHit {
  std::string id;
  std::string encoding;  // `as it is`, `base64`, `hexadecimal` …
  bool operator==(const SecretHit&) const = default;
};

/// All forms of some secrets: as they are, without the white space around them, base64 (both alphabets, at
/// each of the three alignments, also of base64 and of UTF-16), hexadecimal, URL-, JSON- and XML-escaped,
/// quoted for a shell, UTF-16; a private key in PEM also as DER; of keys over several lines each long line
/// too, and of those and of long single lines pieces of their base64 and hexadecimal form. Shared by any
/// number of searches.
class SecretForms {
 public:
  /// A secret shorter than this, white space around it not counted, cannot be told from ordinary text.
  static constexpr size_t least = 8;

  SecretForms() = default;
  /// `secrets`: values by id. Throws Error{Code::usage} for one that is too short.
  explicit SecretForms(const std::map<std::string, std::string>& secrets);
  bool empty() const { return forms_.empty(); }

 private:
  friend class SecretSearch;
  struct Form {
    std::string bytes;
    std::string id;
    std::string encoding;
  };
  // Finds forms in a buffer by four bytes at every fourth place.
  class Finder {
   public:
    void add(size_t number, const std::string& bytes);
    /// False if these bytes were added before.
    bool is_new(const std::string& bytes) { return known_.insert(bytes).second; }
    size_t longest() const { return longest_; }
    bool empty() const { return longest_ == 0; }
    std::optional<size_t> find(std::string_view bytes, const std::vector<Form>& forms) const;
    // Whether the end of `bytes` is how a form begins, four bytes of it at least.
    bool may_begin(std::string_view bytes, const std::vector<Form>& forms) const;

   private:
    std::vector<uint64_t> filter_ = std::vector<uint64_t>(4096);
    std::set<std::string> known_;
    std::multimap<uint32_t, size_t> starts_;                     // first gram: form
    std::multimap<uint32_t, std::pair<size_t, size_t>> places_;  // gram: form, offset in it
    size_t longest_ = 0;
  };
  void add(const std::string& id, const std::string& value);
  void add_bytes(const std::string& id, const std::string& value);
  void add_part(const std::string& id, const std::string& part, bool line);
  void add_form(const std::string& id, std::string bytes, const char* encoding, bool wrapped);

  std::vector<Form> forms_;
  Finder plain_;    // in the bytes as they are
  Finder wrapped_;  // in the bytes without white space: base64 and hexadecimal come in lines
};

/// Searches one stream of bytes, given in parts of any size.
class SecretSearch {
 public:
  explicit SecretSearch(const SecretForms& forms) : forms_(forms) {}
  /// The first hit of all bytes so far.
  std::optional<SecretHit> add(std::string_view bytes);
  /// True if a form may have begun in the bytes so far: they should not be shown before more is known.
  bool may_begin() const;

 private:
  std::optional<SecretHit> look(const SecretForms::Finder& finder, std::string& window,
                                std::string_view bytes);
  const SecretForms& forms_;
  std::string plain_window_;
  std::string wrapped_window_;
  std::string stripped_;
};

/// The first hit in `bytes`.
std::optional<SecretHit> find_secret(const SecretForms& forms, std::string_view bytes);

}  // namespace minibuild::trust
