// The guarantee for secrets that a build is given: nothing that it writes contains one of them, in any of the
// encodings that tools use.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace minibuild::trust {

class Unescaper;

/// An occurrence of a secret.
struct SecretHit {
  std::string id;
  std::string encoding;  // `as it is`, `base64`, `hexadecimal` …
  bool operator==(const SecretHit&) const = default;
};

/// All forms of a set of secrets: verbatim, without surrounding white space, base64 (both alphabets, at each
/// of the three alignments, also of other forms), base32, base85, hexadecimal and octal with the separators
/// that dumps use, escaped for URLs, JSON, XML, shells and programs however often and whichever characters,
/// UTF-16, UTF-32, reversed. A private key in PEM is also searched for as DER; of multi-line keys also each
/// long line; and of those and of long single lines pieces of their base64 and hexadecimal form. Can be
/// shared by any number of searches.
class SecretForms {
 public:
  /// A secret shorter than this, not counting surrounding white space, cannot be told apart from ordinary
  /// text.
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
  // Finds forms in a buffer by four bytes at every fourth position.
  class Finder {
   public:
    void add(size_t number, const std::string& bytes);
    /// Returns false if these bytes were added before.
    bool is_new(const std::string& bytes) { return known_.insert(bytes).second; }
    size_t longest() const { return longest_; }
    bool empty() const { return longest_ == 0; }
    std::optional<size_t> find(std::string_view bytes, const std::vector<Form>& forms) const;
    // Whether `bytes` ends with the beginning of a form, at least four bytes of it.
    bool may_begin(std::string_view bytes, const std::vector<Form>& forms) const;

   private:
    std::vector<uint64_t> filter_ = std::vector<uint64_t>(16384);
    std::set<std::string> known_;
    std::unordered_multimap<uint32_t, size_t> starts_;                     // first gram: form
    std::unordered_multimap<uint32_t, std::pair<size_t, size_t>> places_;  // gram: form, offset in it
    size_t longest_ = 0;
  };
  void add(const std::string& id, const std::string& value);
  void add_bytes(const std::string& id, const std::string& value);
  void add_nested(const std::string& id, const std::string& value);
  void add_numbers(const std::string& id, const std::string& value);
  void add_dumps(const std::string& id, const std::string& value);
  void add_part(const std::string& id, const std::string& part, bool line);
  void add_form(const std::string& id, const std::string& bytes, const char* encoding, bool wrapped);
  void add_to(Finder& finder, const std::string& id, std::string bytes, const char* encoding);

  std::vector<Form> forms_;
  Finder plain_;    // in the raw bytes
  Finder wrapped_;  // in the bytes without escapes, white space and other separators
};

/// Searches one stream of bytes, passed in chunks of any size.
class SecretSearch {
 public:
  explicit SecretSearch(const SecretForms& forms);
  ~SecretSearch();
  SecretSearch(SecretSearch&&) noexcept;
  SecretSearch(const SecretSearch&) = delete;
  SecretSearch& operator=(const SecretSearch&) = delete;
  SecretSearch& operator=(SecretSearch&&) = delete;
  /// Returns the first hit in all bytes so far.
  std::optional<SecretHit> add(std::string_view bytes);
  /// Returns true if the bytes so far may end with the beginning of a form: they should not be shown until
  /// more is known.
  bool may_begin() const;

 private:
  std::optional<SecretHit> look(const SecretForms::Finder& finder, std::string& window,
                                std::string_view bytes, std::string_view rest);
  const SecretForms& forms_;
  std::string plain_window_;
  std::string wrapped_window_;
  std::unique_ptr<Unescaper> unescaper_;
  std::string rest_;  // the last bytes, interpreted as if nothing followed them
};

/// Returns the first hit in `bytes`.
std::optional<SecretHit> find_secret(const SecretForms& forms, std::string_view bytes);

}  // namespace minibuild::trust
