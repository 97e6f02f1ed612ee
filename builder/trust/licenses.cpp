// License texts of package databases become expressions in two steps: words into a tree of ALL and ANY, whose
// leaves are SPDX identifiers or LicenseRefs, and the tree into text.
#include "builder/trust/licenses.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "minibuild/base/text.h"
#include "minibuild/packages/facts.h"

namespace minibuild::trust {

namespace {

constexpr size_t max_name = 200;      // bytes
constexpr size_t max_licenses = 500;  // of one package
constexpr int max_term_depth = 32;

struct Term {
  enum class Kind { one, all, any };
  Kind kind = Kind::one;
  std::string text;         // of one
  std::string name;         // of one that SPDX does not have
  std::vector<Term> parts;  // of all and any
};

Term joined(Term::Kind kind, std::vector<Term> parts) {
  if (parts.size() == 1) return std::move(parts.front());
  Term term;
  term.kind = kind;
  for (Term& part : parts) {
    if (part.kind == kind)
      std::move(part.parts.begin(), part.parts.end(), std::back_inserter(term.parts));
    else
      term.parts.push_back(std::move(part));
  }
  return term;
}

bool is_id_character(char c) { return base::is_alphanumeric(c) || c == '.' || c == '-'; }

Term known(std::string text) { return {Term::Kind::one, std::move(text), "", {}}; }

// A license that SPDX has no identifier for (SPDX 2.3, 10.1: letters, digits, `.` and `-`).
Term unknown(std::string_view name) {
  if (name.starts_with("LicenseRef-")) name.remove_prefix(11);
  std::string shown = base::printable(base::trim(name).substr(0, max_name));
  if (shown.empty()) shown = "unnamed";
  std::string id;
  for (const char c : shown) id += is_id_character(c) ? c : '-';
  return {Term::Kind::one, "LicenseRef-" + id, shown, {}};
}

// `GPL-2.0` and whether later versions are meant, as the identifier that says so.
std::string with_plus(std::string_view id, bool later) {
  if (!later) return spdx_license(id);
  const std::string newer = spdx_license(std::string(id) + "-or-later");
  if (!newer.empty()) return newer;
  const std::string same = spdx_license(id);
  return same.empty() ? same : same + "+";
}

std::string word_after(std::vector<std::string>& words) {
  std::string word = std::move(words.back());
  words.pop_back();
  return word;
}

// SPDX license expressions (SPDX 2.3, annex D.2).
class Expression {
 public:
  explicit Expression(std::string_view text) {
    std::string word;
    const auto end_word = [&] {
      if (!word.empty()) words_.push_back(std::move(word));
      word.clear();
    };
    for (const char c : text) {
      if (c == ' ' || c == '\t' || c == '\n') {
        end_word();
      } else if (c == '(' || c == ')') {
        end_word();
        words_.emplace_back(1, c);
      } else {
        word += c;
      }
    }
    end_word();
    std::reverse(words_.begin(), words_.end());
  }

  std::optional<Term> read() {
    std::optional<Term> term = any(0);
    return words_.empty() ? term : std::nullopt;
  }

 private:
  bool next_is(std::string_view upper, std::string_view lower) {
    return !words_.empty() && (words_.back() == upper || words_.back() == lower);
  }

  template <typename Read>
  std::optional<Term> list(Term::Kind kind, std::string_view upper, std::string_view lower, Read read) {
    std::vector<Term> parts;
    do {
      if (!parts.empty()) words_.pop_back();
      std::optional<Term> part = read();
      if (!part) return std::nullopt;
      parts.push_back(std::move(*part));
    } while (next_is(upper, lower));
    return joined(kind, std::move(parts));
  }

  std::optional<Term> any(int depth) {
    return list(Term::Kind::any, "OR", "or",
                [&] { return list(Term::Kind::all, "AND", "and", [&] { return one(depth); }); });
  }

  std::optional<Term> one(int depth) {
    if (words_.empty() || depth > max_term_depth) return std::nullopt;
    const std::string word = word_after(words_);
    if (word == "(") {
      std::optional<Term> inside = any(depth + 1);
      if (!inside || words_.empty() || words_.back() != ")") return std::nullopt;
      words_.pop_back();
      return inside;
    }
    if (word == ")" || word == "AND" || word == "OR" || word == "WITH") return std::nullopt;
    const bool later = word.ends_with('+');
    const std::string id = with_plus(std::string_view(word).substr(0, word.size() - (later ? 1 : 0)), later);
    if (!next_is("WITH", "with")) return id.empty() ? unknown(word) : known(id);
    words_.pop_back();
    if (words_.empty()) return std::nullopt;
    const std::string extra = word_after(words_);
    const std::string exception = spdx_exception(extra);
    if (id.empty() || exception.empty()) return unknown(word + " WITH " + extra);
    return known(id + " WITH " + exception);
  }

  std::vector<std::string> words_;  // the next is the last
};

// `2` is `2.0` (copyright-format 1.0, "License names").
std::string whole_version(std::string_view name) {
  const size_t dash = name.rfind('-');
  if (dash == std::string_view::npos || dash + 1 == name.size()) return {};
  const std::string_view version = name.substr(dash + 1);
  const bool digits =
      std::all_of(version.begin(), version.end(), [](char c) { return c >= '0' && c <= '9'; });
  return digits ? std::string(name) + ".0" : std::string();
}

// A short name of copyright-format 1.0 as SPDX identifier; empty if none is exactly that license.
std::string spdx_of_short_name(std::string_view name) {
  const bool later = name.ends_with('+');
  if (later) name.remove_suffix(1);
  const std::string whole = whole_version(name);
  if (name.starts_with("GPL-") || name.starts_with("LGPL-") || name.starts_with("AGPL-") ||
      name.starts_with("GFDL-")) {
    std::string id = whole.empty() ? std::string(name) : whole;
    if (id.starts_with("GFDL-NIV-")) id = "GFDL-" + id.substr(9) + "-no-invariants";
    const std::string exact = spdx_license(id + (later ? "-or-later" : "-only"));
    return exact.empty() && !later ? spdx_license(name) : exact;  // some write SPDX's names
  }
  if (name == "Expat") return later ? "" : "MIT";
  if (name.starts_with("Zope-")) return with_plus("ZPL-" + std::string(name.substr(5)), later);
  const std::string id = with_plus(name, later);
  return id.empty() && !whole.empty() ? with_plus(whole, later) : id;
}

Term short_name(const std::vector<std::string>& words) {
  const std::string text = base::join(words, " ");
  if (words.size() == 1) {
    const std::string id = spdx_of_short_name(text);
    return id.empty() ? unknown(text) : known(id);
  }
  if (words.size() >= 3 && words[1] == "with") {
    const std::string id = spdx_of_short_name(words[0]);
    const std::string exception = words.size() == 3 ? spdx_exception(words[2]) : "";
    if (!id.empty() && !exception.empty()) return known(id + " WITH " + exception);
  }
  return unknown(text);
}

// The first line of a `License` field: names with `or`, `and`, and commas that bind less than both.
class Synopsis {
 public:
  static Term read(std::string_view text) {
    std::optional<Term> whole;
    for (const std::string& part : base::split(text, ',')) {
      std::vector<std::string> words = base::split(base::trim(part), ' ');
      std::erase(words, "");
      if (words.empty()) continue;
      const bool combines = words[0] == "and" || words[0] == "or";
      if (whole.has_value() != combines) return unknown(text);  // `A, B` or `and A`
      if (!whole) {
        whole = segment(words);
        continue;
      }
      const Term::Kind kind = words[0] == "and" ? Term::Kind::all : Term::Kind::any;
      words.erase(words.begin());
      if (words.empty()) return unknown(text);
      std::vector<Term> both{std::move(*whole), segment(words)};
      whole = joined(kind, std::move(both));
    }
    return whole ? std::move(*whole) : unknown(text);
  }

 private:
  static Term segment(const std::vector<std::string>& words) {
    std::vector<Term> any, all;
    std::vector<std::string> name;
    const auto end_name = [&] {
      if (!name.empty()) all.push_back(short_name(name));
      name.clear();
    };
    const auto end_all = [&] {
      end_name();
      if (!all.empty()) any.push_back(joined(Term::Kind::all, std::move(all)));
      all.clear();
    };
    for (const std::string& word : words) {
      if (word == "or")
        end_all();
      else if (word == "and")
        end_name();
      else
        name.push_back(word);
    }
    end_all();
    return any.empty() ? unknown(base::join(words, " ")) : joined(Term::Kind::any, std::move(any));
  }
};

std::string text_of(const Term& term, bool inside) {
  if (term.kind == Term::Kind::one) return term.text;
  std::vector<std::string> parts;
  for (const Term& part : term.parts) parts.push_back(text_of(part, true));
  const std::string text = base::join(parts, term.kind == Term::Kind::all ? " AND " : " OR ");
  return inside ? "(" + text + ")" : text;
}

void collect_names(const Term& term, std::map<std::string, std::string>& names) {
  if (!term.name.empty()) names.emplace(term.text, term.name);
  for (const Term& part : term.parts) collect_names(part, names);
}

void add_licenses(const Term& term, std::vector<License>& licenses) {
  if (term.kind == Term::Kind::all) {
    for (const Term& part : term.parts) add_licenses(part, licenses);
    return;
  }
  License license{text_of(term, true), {}};
  collect_names(term, license.names);
  licenses.push_back(std::move(license));
}

void make_unique(std::vector<License>& licenses) {
  const auto less = [](const License& a, const License& b) { return a.expression < b.expression; };
  const auto same = [](const License& a, const License& b) { return a.expression == b.expression; };
  std::stable_sort(licenses.begin(), licenses.end(), less);
  licenses.erase(std::unique(licenses.begin(), licenses.end(), same), licenses.end());
}

bool is_machine_readable(std::string_view header) {
  const std::string_view format = packages::field_of(header, "Format");
  return format.find("copyright-format/1.0") != std::string_view::npos ||
         format.find("/dep5") != std::string_view::npos;
}

}  // namespace

std::vector<License> expression_licenses(std::string_view text) {
  std::vector<License> licenses;
  text = base::trim(text);
  if (text.empty()) return licenses;
  const std::optional<Term> term = Expression(text.substr(0, 4096)).read();
  add_licenses(term ? *term : unknown(text), licenses);
  make_unique(licenses);
  return licenses;
}

std::vector<License> copyright_licenses(std::string_view text) {
  std::set<std::string> used, defined;
  bool first = true;
  bool readable = false;
  packages::for_each_paragraph(text, [&](std::string_view paragraph, size_t) {
    if (first) readable = is_machine_readable(paragraph);
    const std::string_view license = packages::field_of(paragraph, "License");
    const std::string synopsis(base::trim(license.substr(0, license.find('\n'))));
    const bool of_files = first || !packages::field_of(paragraph, "Files").empty();
    first = false;
    if (readable && !synopsis.empty() && used.size() < max_licenses && defined.size() < max_licenses)
      (of_files ? used : defined).insert(synopsis);
  });
  std::vector<License> licenses;
  for (const std::string& synopsis : used.empty() ? defined : used)
    add_licenses(Synopsis::read(synopsis), licenses);
  make_unique(licenses);
  return licenses;
}

}  // namespace minibuild::trust
