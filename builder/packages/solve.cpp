// Indexes → libsolv's pool → a set of packages, or why there is none.
//
// libsolv decides whether there is a solution; which one of several it takes is led by `favour`, which walks
// the dependencies as apt does and names the packages that apt would choose.
#include "minibuild/packages/solve.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>

// A field of libsolv's has a name that C++20 took for itself.
#ifdef __clang__
#pragma clang diagnostic ignored "-Wkeyword-macro"
#endif
#define requires dep_requires
extern "C" {
#include <solv/evr.h>
#include <solv/pool.h>
#include <solv/poolarch.h>
#include <solv/problems.h>
#include <solv/repo.h>
#include <solv/repo_solv.h>
#include <solv/repo_write.h>
#include <solv/solver.h>
}
#undef requires

#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"
#include "minibuild/packages/version.h"

namespace minibuild::packages {

using base::fail;

namespace {

// The text of an index, mapped: of 50 MB only the paragraphs that matter are looked at.
class MappedText {
 public:
  explicit MappedText(const std::string& path) {
    const base::Fd fd = base::open_file(path);
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0) fail("cannot read {}: {}", path, base::errno_text());
    size_ = static_cast<size_t>(st.st_size);
    if (size_ == 0) return;
    data_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (data_ == MAP_FAILED) fail("cannot read {}: {}", path, base::errno_text());
  }
  ~MappedText() {
    if (size_ != 0) ::munmap(data_, size_);
  }
  MappedText(const MappedText&) = delete;
  MappedText& operator=(const MappedText&) = delete;
  MappedText(MappedText&&) = delete;
  MappedText& operator=(MappedText&&) = delete;
  std::string_view text() const { return {static_cast<const char*>(data_), size_}; }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};

std::string_view paragraph_at(std::string_view text, size_t offset) {
  if (offset >= text.size()) return {};
  const size_t end = text.find("\n\n", offset);
  return text.substr(offset, end == std::string_view::npos ? end : end + 1 - offset);
}

class Queue_ {
 public:
  Queue_() { ::queue_init(&queue_); }
  ~Queue_() { ::queue_free(&queue_); }
  Queue_(const Queue_&) = delete;
  Queue_& operator=(const Queue_&) = delete;
  Queue_(Queue_&&) = delete;
  Queue_& operator=(Queue_&&) = delete;
  Queue* get() { return &queue_; }
  void push(Id a, Id b) { ::queue_push2(&queue_, a, b); }
  int size() const { return queue_.count; }
  Id operator[](int i) const { return queue_.elements[i]; }

 private:
  Queue queue_{};
};

int relation_flags(std::string_view op) {
  int flags = 0;
  for (const char c : op) flags |= c == '=' ? REL_EQ : c == '<' ? REL_LT : c == '>' ? REL_GT : 0;
  return flags;
}

int priority_class(std::string_view priority) {
  static constexpr std::string_view order[] = {"required", "important", "standard", "optional"};
  const auto* it = std::find(std::begin(order), std::end(order), priority);
  return static_cast<int>(it - std::begin(order));
}

class Solving {
 public:
  explicit Solving(const Problem& problem)
      : problem_(problem), apk_(problem.format == Format::apk), pool_(::pool_create(), ::pool_free) {
    // apk's versions become ranks, which every order of libsolv's compares alike.
    ::pool_setdisttype(pool_.get(), DISTTYPE_DEB);
    offset_key_ = ::pool_str2id(pool_.get(), "minibuild:offset", 1);
  }

  Solution run() {
    if (apk_)
      load_apk();
    else
      load_deb();
    order_sources();
    add_installed();
    ::pool_createwhatprovides(pool_.get());
    if (auto failure = check_requests()) return unsolvable(std::move(*failure));
    return decide();
  }

 private:
  // A package that a source has which comes later than another that has it too.
  struct Passed {
    Id version = 0;
    const Index* index = nullptr;
  };

  struct Loaded {
    const Index* index = nullptr;
    Repo* repo = nullptr;
    std::unique_ptr<MappedText> text;
  };

  Id id(const std::string& text) { return ::pool_str2id(pool_.get(), text.c_str(), 1); }
  Id version_id(const std::string& version) {
    if (!apk_) return id(version);
    const auto it = ranks_.find(version);
    return id(std::to_string(it == ranks_.end() ? 0 : it->second));
  }
  Id relation_id(const Relation& relation) {
    if (relation.op.empty()) return id(relation.name);
    if (relation.op == "~") return id(fuzzy_name(relation));
    return ::pool_rel2id(pool_.get(), id(relation.name), version_id(relation.version),
                         relation_flags(relation.op), 1);
  }
  static std::string fuzzy_name(const Relation& relation) { return relation.name + " ~ " + relation.version; }

  Id require_id(const std::string& text) {
    if (apk_) return relation_id(apk_relation(text));
    Id all = 0;
    // From the last to the first: libsolv's OR nests to the right.
    std::vector<Relation> alternatives = deb_alternatives(text);
    for (auto it = alternatives.rbegin(); it != alternatives.rend(); ++it) {
      // Only one architecture is looked at: `:any` and its own name say nothing more. Another is not there.
      if (!it->qualifier.empty() && it->qualifier != "any" && it->qualifier != "native" &&
          it->qualifier != problem_.architecture)
        it->name += ":" + it->qualifier;
      const Id one = relation_id(*it);
      all = all == 0 ? one : ::pool_rel2id(pool_.get(), one, all, REL_OR, 1);
    }
    return all;
  }

  void add(Repo* repo, const Facts& facts, const Id solvable_id) {
    Pool* pool = pool_.get();
    Solvable* s = ::pool_id2solvable(pool, solvable_id);
    s->name = id(facts.name);
    s->evr = version_id(facts.version);
    s->arch = ARCH_ALL;
    const auto add_to = [&](Offset list, Id dep) { return ::repo_addid_dep(repo, list, dep, 0); };
    s->provides = add_to(s->provides, ::pool_rel2id(pool, s->name, s->evr, REL_EQ, 1));
    add_fuzzy(repo, s, facts.name, facts.version);
    for (const std::string& text : facts.provides) {
      const Relation relation = apk_ ? apk_relation(text) : deb_relation(text);
      s->provides = add_to(s->provides, relation_id(relation));
      if (!relation.version.empty()) add_fuzzy(repo, s, relation.name, relation.version);
      // apk: a name with a version has one provider.
      if (apk_ && !relation.version.empty()) s->conflicts = add_to(s->conflicts, id(relation.name));
    }
    if (apk_) s->conflicts = add_to(s->conflicts, s->name);
    for (const std::string& text : facts.depends)
      if (const Id dep = require_id(text); dep != 0) s->dep_requires = add_to(s->dep_requires, dep);
    for (const std::string& text : facts.conflicts)
      s->conflicts = add_to(s->conflicts, relation_id(apk_ ? apk_relation(text) : deb_relation(text)));
    Id all = 0;
    for (const std::string& text : facts.install_if) {
      const Id one = relation_id(apk_relation(text));
      all = all == 0 ? one : ::pool_rel2id(pool, all, one, REL_AND, 1);
    }
    if (all != 0) s->supplements = add_to(s->supplements, all);
  }

  void add_fuzzy(Repo* repo, Solvable* s, const std::string& name, const std::string& version) {
    const auto it = fuzzy_.find(name);
    if (it == fuzzy_.end()) return;
    for (const std::string& prefix : it->second)
      if (apk_version_begins(version, prefix))
        s->provides = ::repo_addid_dep(repo, s->provides, id(fuzzy_name({name, "", "~", prefix, false})), 0);
  }

  bool is_ours(const Facts& facts) const {
    if (apk_)
      return facts.architecture.empty() || facts.architecture == problem_.architecture ||
             facts.architecture == "noarch";
    return facts.architecture == problem_.architecture || facts.architecture == "all";
  }

  void load_deb() {
    for (const Index& index : problem_.indexes) {
      Loaded loaded{&index, ::repo_create(pool_.get(), index.url.c_str()),
                    std::make_unique<MappedText>(index.path)};
      if (index.parsed.empty() || !read_parsed(index, loaded.repo)) parse_deb(loaded);
      loaded_.push_back(std::move(loaded));
    }
  }

  static bool read_parsed(const Index& index, Repo* repo) {
    FILE* file = std::fopen(index.parsed.c_str(), "rbe");
    if (file == nullptr) return false;
    const int result = ::repo_add_solv(repo, file, SOLV_ADD_NO_STUBS);
    std::fclose(file);
    if (result != 0) ::repo_empty(repo, 1);
    return result == 0;
  }

  // libsolv's texts end at a zero byte.
  static void check_text(const MappedText& text, const Index& index) {
    if (text.text().find('\0') != std::string_view::npos)
      fail("cannot read the index below {}: it holds a zero byte", index.url);
  }

  void parse_deb(const Loaded& loaded) {
    check_text(*loaded.text, *loaded.index);
    Repodata* data = ::repo_add_repodata(loaded.repo, 0);
    for_each_paragraph(loaded.text->text(), [&](std::string_view paragraph, size_t offset) {
      const Facts facts = deb_facts(paragraph);
      if (facts.name.empty() || facts.version.empty() || !is_ours(facts)) return;
      const Id solvable = ::repo_add_solvable(loaded.repo);
      add(loaded.repo, facts, solvable);
      ::repodata_set_num(data, solvable, offset_key_, offset + 1);
    });
    ::repo_internalize(loaded.repo);
    if (!loaded.index->keep_parsed) return;
    char* bytes = nullptr;
    size_t size = 0;
    FILE* memory = ::open_memstream(&bytes, &size);
    if (memory == nullptr) return;
    const int result = ::repo_write(loaded.repo, memory);
    std::fclose(memory);
    const std::unique_ptr<char, void (*)(void*)> owned(bytes, std::free);
    if (result == 0) loaded.index->keep_parsed(std::string(bytes, size));
  }

  // Versions get their ranks before anything is added, so all is read first.
  void load_apk() {
    struct Read {
      size_t index;
      Facts facts;
      size_t offset;
    };
    std::vector<Read> all;
    std::vector<std::unique_ptr<MappedText>> texts;
    for (size_t i = 0; i < problem_.indexes.size(); ++i) {
      texts.push_back(std::make_unique<MappedText>(problem_.indexes[i].path));
      check_text(*texts.back(), problem_.indexes[i]);
      for_each_paragraph(texts.back()->text(), [&](std::string_view record, size_t offset) {
        Facts facts = apk_facts(record);
        if (!facts.name.empty() && !facts.version.empty() && is_ours(facts))
          all.push_back({i, std::move(facts), offset});
      });
    }
    for (const Read& read : all) note_versions(read.facts);
    for (const Facts& facts : problem_.installed) note_versions(facts);
    for (const Request& request : problem_.requests)
      note_relation({request.name, "", request.op, request.version, false});
    rank_versions();
    std::vector<Repodata*> data;
    for (size_t i = 0; i < problem_.indexes.size(); ++i) {
      Loaded loaded{&problem_.indexes[i], ::repo_create(pool_.get(), problem_.indexes[i].url.c_str()),
                    std::move(texts[i])};
      data.push_back(::repo_add_repodata(loaded.repo, 0));
      loaded_.push_back(std::move(loaded));
    }
    for (const Read& read : all) {
      Repo* repo = loaded_[read.index].repo;
      const Id solvable = ::repo_add_solvable(repo);
      add(repo, read.facts, solvable);
      ::repodata_set_num(data[read.index], solvable, offset_key_, read.offset + 1);
    }
    for (const Loaded& loaded : loaded_) ::repo_internalize(loaded.repo);
  }

  void note_relation(const Relation& relation) {
    if (relation.version.empty()) return;
    versions_.insert(relation.version);
    if (relation.op == "~") fuzzy_[relation.name].insert(relation.version);
  }
  void note_versions(const Facts& facts) {
    versions_.insert(facts.version);
    for (const auto* list : {&facts.depends, &facts.provides, &facts.conflicts, &facts.install_if})
      for (const std::string& text : *list) note_relation(apk_relation(text));
  }
  void rank_versions() {
    std::vector<std::string> sorted(versions_.begin(), versions_.end());
    std::stable_sort(sorted.begin(), sorted.end(), [](const std::string& a, const std::string& b) {
      return compare_apk_versions(a, b) < 0;
    });
    size_t rank = 0;
    for (size_t i = 0; i < sorted.size(); ++i) {
      if (i == 0 || compare_apk_versions(sorted[i - 1], sorted[i]) != 0) ++rank;
      ranks_[sorted[i]] = rank;
      names_of_ranks_.try_emplace(std::to_string(rank), sorted[i]);
    }
  }

  // Of each name only the packages of the source that the spec says stay, else those of the first rank that
  // has it.
  void order_sources() {
    std::map<Id, std::string> tied;
    for (const Request& request : problem_.requests)
      if (!request.source.empty()) tied[id(request.name)] = request.source;
    const auto same = [&](const Index& index) { return index.rank == problem_.indexes.front().rank; };
    if (tied.empty() && std::all_of(problem_.indexes.begin(), problem_.indexes.end(), same)) return;
    std::map<Id, int> first;
    const auto each = [&](auto visit) {
      for (const Loaded& loaded : loaded_) {
        Id p = 0;
        Solvable* s = nullptr;
        FOR_REPO_SOLVABLES(loaded.repo, p, s) visit(loaded, p, s);
      }
    };
    each([&](const Loaded& loaded, Id, const Solvable* s) {
      const int rank = loaded.index->rank;
      const auto [it, is_new] = first.try_emplace(s->name, rank);
      if (!is_new) it->second = std::min(it->second, rank);
    });
    std::vector<Id> out;
    each([&](const Loaded& loaded, Id p, const Solvable* s) {
      const auto tie = tied.find(s->name);
      const bool stays =
          tie != tied.end() ? loaded.index->source == tie->second : loaded.index->rank == first.at(s->name);
      if (stays) return;
      passed_[s->name].push_back({s->evr, loaded.index});
      out.push_back(p);
    });
    for (const Id p : out) ::repo_free_solvable(::pool_id2solvable(pool_.get(), p)->repo, p, 0);
    // Where libsolv chooses by itself, it chooses among the first as well.
    for (const Loaded& loaded : loaded_) loaded.repo->priority = -loaded.index->rank;
    if (apk_) drop_foreign_install_if();
  }

  // A package of a later source comes in by itself only with one of its own rank: else whoever fills that
  // source could have anything installed.
  void drop_foreign_install_if() {
    std::map<Id, std::set<int>> ranks;  // of the names that packages have
    for (const Loaded& loaded : loaded_) {
      Id p = 0;
      Solvable* s = nullptr;
      FOR_REPO_SOLVABLES(loaded.repo, p, s) ranks[s->name].insert(loaded.index->rank);
    }
    for (const Loaded& loaded : loaded_) {
      Id p = 0;
      Solvable* s = nullptr;
      FOR_REPO_SOLVABLES(loaded.repo, p, s) {
        if (s->supplements == 0) continue;
        const std::vector<std::string>& triggers = facts_of(p).install_if;
        const bool own = std::any_of(triggers.begin(), triggers.end(), [&](const std::string& text) {
          const auto it = ranks.find(id(apk_relation(text).name));
          return it != ranks.end() && it->second.contains(loaded.index->rank);
        });
        if (!own) s->supplements = 0;
      }
    }
  }

  int rank_of(Id solvable) const {
    const Loaded* loaded = loaded_of(solvable);
    return loaded == nullptr ? 0 : loaded->index->rank;
  }

  // What the base has, and what is taken as if it had it.
  void add_installed() {
    Repo* repo = ::repo_create(pool_.get(), "installed");
    ::pool_set_installed(pool_.get(), repo);
    for (const Facts& facts : problem_.installed) {
      Facts kept = facts;
      kept.install_if.clear();
      add(repo, kept, ::repo_add_solvable(repo));
    }
    for (const Request& request : problem_.requests) {
      if (!request.omitted) continue;
      if (std::optional<Facts> best = newest(request.name)) {
        best->depends.clear();
        best->conflicts.clear();
        best->install_if.clear();
        const Id solvable = ::repo_add_solvable(repo);
        add(repo, *best, solvable);
        omitted_.push_back(solvable);
      }
    }
  }

  std::optional<Facts> newest(const std::string& name) {
    std::optional<Facts> best;
    const Id wanted = ::pool_str2id(pool_.get(), name.c_str(), 0);
    if (wanted == 0) return best;
    for (const Loaded& loaded : loaded_) {
      Id p = 0;
      Solvable* s = nullptr;
      FOR_REPO_SOLVABLES(loaded.repo, p, s) {
        if (s->name != wanted) continue;
        Facts facts = facts_of(p);
        if (!best || compare(facts.version, best->version) > 0) best = std::move(facts);
      }
    }
    return best;
  }

  int compare(const std::string& a, const std::string& b) const {
    return apk_ ? compare_apk_versions(a, b) : compare_deb_versions(a, b);
  }

  const Loaded* loaded_of(Id solvable) const {
    const Repo* repo = ::pool_id2solvable(pool_.get(), solvable)->repo;
    for (const Loaded& loaded : loaded_)
      if (loaded.repo == repo) return &loaded;
    return nullptr;
  }

  const Facts& facts_of(Id solvable) {
    const auto known = facts_.find(solvable);
    if (known != facts_.end()) return known->second;
    const Loaded* loaded = loaded_of(solvable);
    if (loaded == nullptr) return facts_[solvable];
    const uint64_t offset = ::pool_lookup_num(pool_.get(), solvable, offset_key_, 0);
    const std::string_view paragraph = offset == 0 ? "" : paragraph_at(loaded->text->text(), offset - 1);
    Facts facts = apk_ ? apk_facts(paragraph) : deb_facts(paragraph);
    if (facts.name != ::pool_id2str(pool_.get(), ::pool_id2solvable(pool_.get(), solvable)->name))
      fail("cannot read {}: it is not the index that was parsed", loaded->index->path);
    return facts_[solvable] = std::move(facts);
  }

  bool is_real(Id name) {
    for (const Id p : providers(name))
      if (::pool_id2solvable(pool_.get(), p)->name == name) return true;
    return false;
  }

  std::vector<Id> providers(Id dep) {
    std::vector<Id> found;
    for (Id* p = ::pool_whatprovides_ptr(pool_.get(), dep); *p != 0; ++p) found.push_back(*p);
    return found;
  }

  Id request_dep(const Request& request) {
    return relation_id({request.name, "", request.op, request.version, false});
  }

  std::optional<Unsolvable> check_requests() {
    for (size_t i = 0; i < problem_.requests.size(); ++i) {
      const Request& request = problem_.requests[i];
      if (request.absent) {
        const auto is_it = [&](const Facts& facts) { return facts.name == request.name; };
        if (std::any_of(problem_.installed.begin(), problem_.installed.end(), is_it))
          return Unsolvable{
              i, fmt::format(
                     "'{}': the base has the package {}, and what a base has cannot be taken out; choose "
                     "another base",
                     request.label, request.name)};
        continue;
      }
      if (!request.source.empty() && !is_real(id(request.name))) {
        return Unsolvable{
            i, fmt::format("the source '{}' has no package '{}' for {}{}", request.source,
                           base::printable(request.name), problem_.architecture, others(id(request.name)))};
      }
      if (!providers(id(request.name)).empty()) {
        if (request.omitted || request.op.empty() || !providers(request_dep(request)).empty()) continue;
        std::vector<std::string> versions;
        for (const Id p : providers(id(request.name)))
          if (const Facts& facts = facts_of(p); facts.name == request.name) versions.push_back(facts.version);
        return Unsolvable{i,
                          fmt::format("no source has '{}'; it is there as {}{}", request.label,
                                      versions.empty() ? "something that packages provide without a version"
                                                       : base::join(versions, ", "),
                                      elsewhere(id(request.name)))};
      }
      return Unsolvable{i, missing(request.name, request.label)};
    }
    return std::nullopt;
  }

  std::string missing(const std::string& name, const std::string& label) {
    std::vector<std::string> names;
    for (const Loaded& loaded : loaded_) {
      Id p = 0;
      Solvable* s = nullptr;
      FOR_REPO_SOLVABLES(loaded.repo, p, s) {
        std::string one = ::pool_id2str(pool_.get(), s->name);
        const auto difference = static_cast<long>(one.size()) - static_cast<long>(name.size());
        if (difference >= -3 && difference <= 3) names.push_back(std::move(one));
      }
    }
    const std::string close = base::nearest(name, names);
    return fmt::format("no source has a package '{}' for {}{}", base::printable(label), problem_.architecture,
                       close.empty() ? "" : fmt::format("; did you mean '{}'?", close));
  }

  // The alternatives of a dependency, from left to right.
  void alternatives(Id dep, std::vector<Id>& all) {
    if (ISRELDEP(dep)) {
      const Reldep* rel = GETRELDEP(pool_.get(), dep);
      if (rel->flags == REL_OR) {
        alternatives(rel->name, all);
        alternatives(rel->evr, all);
        return;
      }
    }
    all.push_back(dep);
  }

  // What apt would choose for a dependency; 0 if nothing satisfies it.
  Id choice(Id dep) {
    std::vector<Id> parts;
    alternatives(dep, parts);
    Id best = 0;
    for (const Id part : parts) {
      const Id name = ISRELDEP(part) ? GETRELDEP(pool_.get(), part)->name : part;
      std::vector<Id> found = providers(part);
      if (found.empty()) continue;
      const Id one =
          *std::min_element(found.begin(), found.end(), [&](Id a, Id b) { return better(a, b, name); });
      if (best == 0 || rank_of(one) < rank_of(best)) best = one;
    }
    return best;
  }

  bool better(Id a, Id b, Id name) {
    if (const int rank_a = rank_of(a), rank_b = rank_of(b); rank_a != rank_b) return rank_a < rank_b;
    const Solvable* first = ::pool_id2solvable(pool_.get(), a);
    const Solvable* second = ::pool_id2solvable(pool_.get(), b);
    const bool real_a = first->name == name;
    const bool real_b = second->name == name;
    if (real_a != real_b) return real_a;
    const Facts& facts_a = facts_of(a);
    const Facts& facts_b = facts_of(b);
    if (facts_a.name == facts_b.name) {
      const int order = compare(facts_a.version, facts_b.version);
      return order != 0 ? order > 0 : a < b;
    }
    if (facts_a.provider_priority != facts_b.provider_priority)
      return facts_a.provider_priority > facts_b.provider_priority;
    const int class_a = priority_class(facts_a.priority);
    const int class_b = priority_class(facts_b.priority);
    return class_a != class_b ? class_a < class_b : facts_a.name < facts_b.name;
  }

  // The packages that a walk like apt's meets.
  std::vector<Id> favour(const std::vector<Id>& wanted) {
    std::set<Id> marked;
    std::set<std::string> names;  // another version of a package that is there already is none to choose
    std::vector<Id> queue;
    const auto satisfied = [&](Id dep) {
      for (const Id p : providers(dep))
        if (marked.contains(p) || ::pool_id2solvable(pool_.get(), p)->repo == pool_->installed) return true;
      return false;
    };
    const auto take = [&](Id dep) {
      if (satisfied(dep)) return;
      const Id p = choice(dep);
      if (p == 0 || !names.insert(facts_of(p).name).second || !marked.insert(p).second) return;
      queue.push_back(p);
    };
    for (const Id dep : wanted) take(dep);
    // By the text: libsolv's own lists come in another order when they were kept.
    for (size_t i = 0; i < queue.size(); ++i)
      for (const std::string& text : std::vector<std::string>(facts_of(queue[i]).depends))
        if (const Id dep = require_id(text); dep != 0) take(dep);
    return queue;
  }

  void add_essential(Queue_& jobs, std::vector<Id>& wanted) {
    // By rank: the first that has any says which they are, a later one adds none.
    std::map<int, std::vector<Id>> essential;
    std::set<Id> seen;
    for (const Loaded& loaded : loaded_)
      for_each_paragraph(loaded.text->text(), [&](std::string_view paragraph, size_t) {
        if (paragraph.find("\nEssential: yes") == std::string_view::npos) return;
        const Facts facts = deb_facts(paragraph);
        if (!is_ours(facts) || !is_real(id(facts.name)) || !seen.insert(id(facts.name)).second) return;
        essential[loaded.index->rank].push_back(id(facts.name));
      });
    if (essential.empty()) return;
    for (const Id name : essential.begin()->second) {
      jobs.push(SOLVER_INSTALL | SOLVER_SOLVABLE_NAME, name);
      wanted.push_back(name);
    }
  }

  Solution decide() {
    Queue_ jobs;
    std::vector<Id> wanted;
    // Job number i is at 2 i; those of requests come first and one for one.
    for (const Request& request : problem_.requests) {
      const Id dep = request_dep(request);
      if (request.omitted) {
        jobs.push(SOLVER_NOOP, 0);
      } else if (request.absent) {
        jobs.push(SOLVER_ERASE | SOLVER_SOLVABLE_NAME, dep);
      } else {
        const bool by_name = request.op != "~" && is_real(id(request.name));
        jobs.push(SOLVER_INSTALL | (by_name ? SOLVER_SOLVABLE_NAME : SOLVER_SOLVABLE_PROVIDES), dep);
        wanted.push_back(dep);
      }
    }
    if (problem_.essential) add_essential(jobs, wanted);
    for (const Id solvable : omitted_) jobs.push(SOLVER_LOCK | SOLVER_SOLVABLE, solvable);
    const std::vector<Id> favoured = favour(wanted);
    // First exactly what apt's walk gives; if that does not go together, the way that keeps most of it.
    for (const Id verb : {SOLVER_INSTALL, SOLVER_FAVOR}) {
      Queue_ all;
      for (int i = 0; i < jobs.size(); i += 2) all.push(jobs[i], jobs[i + 1]);
      for (const Id p : favoured) all.push(verb | SOLVER_SOLVABLE, p);
      const std::unique_ptr<Solver, void (*)(Solver*)> solver(::solver_create(pool_.get()), ::solver_free);
      ::solver_set_flag(solver.get(), SOLVER_FLAG_IGNORE_RECOMMENDED, apk_ ? 0 : 1);
      if (::solver_solve(solver.get(), all.get()) == 0) {
        Solution solution;
        const std::vector<Id> all_chosen = chosen(solver.get());
        solution.packages = selected(all_chosen);
        solution.substitutes = substitutes(all_chosen);
        solution.passed_over = passed_over(solution.packages);
        return solution;
      }
      if (verb == SOLVER_FAVOR) return unsolvable(explain(solver.get()));
    }
    return {};
  }

  static Solution unsolvable(Unsolvable failure) {
    Solution solution;
    solution.failure = std::move(failure);
    return solution;
  }

  std::vector<PassedOver> passed_over(const std::vector<Selected>& taken) {
    std::vector<PassedOver> all;
    for (const Selected& one : taken) {
      const auto it = passed_.find(id(one.facts.name));
      if (it == passed_.end()) continue;
      std::optional<PassedOver> newest;
      for (const Passed& passed : it->second) {
        const std::string version = version_text(passed.version);
        if (compare(version, newest ? newest->version : one.facts.version) > 0)
          newest = {one.facts.name, version, passed.index->source, one.facts.version, one.source};
      }
      if (newest) all.push_back(std::move(*newest));
    }
    return all;
  }

  // Of dependencies that one of `all` meets, those for which a source before its own has something else.
  std::vector<Substitute> substitutes(const std::vector<Id>& all) {
    std::vector<Substitute> found;
    const auto is_there = [&](Id p) {
      return ::pool_id2solvable(pool_.get(), p)->repo == pool_->installed ||
             std::find(all.begin(), all.end(), p) != all.end();
    };
    const auto is_told = [&](const std::string& name) {
      return std::any_of(problem_.requests.begin(), problem_.requests.end(), [&](const Request& request) {
        return request.name == name && !request.source.empty();
      });
    };
    for (const Id p : all)
      for (const std::string& text : facts_of(p).depends) {
        const Id dep = require_id(text);
        if (dep == 0) continue;
        Id met = 0;
        Id usual = 0;
        for (const Id one : providers(dep)) {
          if (Id& first = is_there(one) ? met : usual; first == 0 || rank_of(one) < rank_of(first))
            first = one;
        }
        if (met == 0 || usual == 0 || rank_of(usual) >= rank_of(met) || rank_of(p) >= rank_of(met)) continue;
        if (is_told(facts_of(met).name)) continue;
        found.push_back({facts_of(met).name, loaded_of(met)->index->source, facts_of(p).name, dep_text(dep),
                         solvable_text(usual)});
      }
    return found;
  }

  // The sources that have a package which the one that is asked for lacks.
  std::string others(Id name) {
    const auto it = passed_.find(name);
    if (it == passed_.end()) return {};
    std::vector<std::string> names;
    for (const Passed& passed : it->second)
      if (std::find(names.begin(), names.end(), passed.index->source) == names.end())
        names.push_back(passed.index->source);
    return "; those that have it: " + base::join(names, ", ");
  }

  // What the sources that come later have of a package, and how to take it.
  std::string elsewhere(Id name) {
    const auto it = passed_.find(name);
    if (it == passed_.end()) return {};
    std::vector<std::string> all;
    for (const Passed& passed : it->second)
      if (std::string one = fmt::format("{} has {}", passed.index->source, version_text(passed.version));
          std::find(all.begin(), all.end(), one) == all.end() && all.size() < 5)
        all.push_back(std::move(one));
    const std::string text = ::pool_id2str(pool_.get(), name);
    return fmt::format(
        "; {}, but another source comes first for it; to take it from there: {{ name: {}, source: {} }}",
        base::join(all, ", "), text, it->second.front().index->source);
  }

  std::vector<Id> chosen(Solver* solver) {
    Queue_ decisions;
    ::solver_get_decisionqueue(solver, decisions.get());
    std::vector<Id> all;
    for (int i = 0; i < decisions.size(); ++i) {
      const Id p = decisions[i];
      if (p > 0 && p != SYSTEMSOLVABLE && ::pool_id2solvable(pool_.get(), p)->repo != pool_->installed)
        all.push_back(p);
    }
    std::sort(all.begin(), all.end(), [&](Id a, Id b) { return facts_of(a).name < facts_of(b).name; });
    return all;
  }

  std::vector<Selected> selected(const std::vector<Id>& all) {
    const std::map<Id, std::string> why = reasons(all);
    std::vector<Selected> selected;
    for (const Id p : all) {
      const Loaded& loaded = *loaded_of(p);
      const Facts& facts = facts_of(p);
      check_names(facts, *loaded.index);
      selected.push_back({facts, loaded.index->source, loaded.index->url + "/" + facts.filename, why.at(p)});
    }
    return selected;
  }

  // What becomes a part of paths and URLs.
  static void check_names(const Facts& facts, const Index& index) {
    const bool leads_out =
        facts.filename.empty() || facts.filename.starts_with('/') || facts.filename.size() > 1000 ||
        ("/" + facts.filename + "/").find("/../") != std::string::npos ||
        std::any_of(facts.filename.begin(), facts.filename.end(), [](char c) {
          return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F || c == '?' || c == '#';
        });
    if (!is_package_name(facts.name) || !is_plain_version(facts.version) || !is_package_name(facts.source) ||
        leads_out)
      fail("cannot use the index below {}: it has a malformed package '{}' {} in '{}'", index.url,
           base::printable(facts.name), base::printable(facts.version),
           base::printable(facts.filename.substr(0, 200)));
  }

  // Why each package is there: breadth first from what was asked for, so that the shortest way is told.
  std::map<Id, std::string> reasons(const std::vector<Id>& all) {
    std::map<Id, std::string> why;
    std::vector<Id> queue;
    const auto give = [&](Id dep, const std::string& reason) {
      const std::vector<Id> found = providers(dep);
      for (const Id p : all)
        if (!why.contains(p) && std::find(found.begin(), found.end(), p) != found.end()) {
          why[p] = reason;
          queue.push_back(p);
        }
    };
    for (const Request& request : problem_.requests)
      if (!request.omitted && !request.absent) give(request_dep(request), "requested");
    for (const Id p : all)
      if (!why.contains(p) && facts_of(p).essential && problem_.essential) {
        why[p] = "essential";
        queue.push_back(p);
      }
    for (size_t i = 0; i < queue.size(); ++i) {
      const Facts facts = facts_of(queue[i]);
      for (const std::string& text : facts.depends)
        if (const Id dep = require_id(text); dep != 0) give(dep, "needed by " + facts.name);
    }
    for (const Id p : all) why.try_emplace(p, "install_if");
    return why;
  }

  std::string version_text(Id evr) {
    const std::string text = ::pool_id2str(pool_.get(), evr);
    if (!apk_) return text;
    const auto it = names_of_ranks_.find(text);
    return it == names_of_ranks_.end() ? text : it->second;
  }

  std::string dep_text(Id dep) {
    if (!ISRELDEP(dep)) return ::pool_id2str(pool_.get(), dep);
    const Reldep* rel = GETRELDEP(pool_.get(), dep);
    if (rel->flags == REL_OR) return dep_text(rel->name) + " | " + dep_text(rel->evr);
    if (rel->flags == REL_AND) return dep_text(rel->name) + " and " + dep_text(rel->evr);
    std::string op;
    if ((rel->flags & REL_LT) != 0) op += '<';
    if ((rel->flags & REL_GT) != 0) op += '>';
    if ((rel->flags & REL_EQ) != 0) op += '=';
    return fmt::format("{} {} {}", dep_text(rel->name), op, version_text(rel->evr));
  }

  // The first name of a dependency.
  Id name_in(Id dep) const {
    while (ISRELDEP(dep)) dep = GETRELDEP(pool_.get(), dep)->name;
    return dep;
  }

  std::string solvable_text(Id p) {
    const Solvable* s = ::pool_id2solvable(pool_.get(), p);
    const bool there = s->repo == pool_->installed;
    return fmt::format("{} {}{}", ::pool_id2str(pool_.get(), s->name), version_text(s->evr),
                       there ? " of the base" : "");
  }

  Unsolvable explain(Solver* solver) {
    Unsolvable failure;
    failure.request = problem_.requests.size();
    std::vector<std::string> lines;
    const auto say = [&](std::string line) {
      if (std::find(lines.begin(), lines.end(), line) == lines.end() && lines.size() < 12)
        lines.push_back(std::move(line));
    };
    Queue_ rules;
    ::solver_findallproblemrules(solver, 1, rules.get());
    for (int i = 0; i < rules.size(); ++i) {
      Id from = 0;
      Id to = 0;
      Id dep = 0;
      switch (const Id rule = rules[i]; ::solver_ruleinfo(solver, rule, &from, &to, &dep)) {
        case SOLVER_RULE_JOB:
        case SOLVER_RULE_JOB_NOTHING_PROVIDES_DEP:
        case SOLVER_RULE_JOB_UNKNOWN_PACKAGE: {
          const auto request = static_cast<size_t>(::solver_rule2jobidx(solver, rule) - 1) / 2;
          if (request < problem_.requests.size()) {
            const Request& asked = problem_.requests[request];
            failure.request = std::min(failure.request, request);
            say(fmt::format("the spec asks for '{}'{}", asked.label,
                            asked.source.empty() && !asked.op.empty() ? elsewhere(id(asked.name)) : ""));
          }
          break;
        }
        case SOLVER_RULE_PKG_NOTHING_PROVIDES_DEP:
          say(fmt::format("{} needs {}, which no source has{}", solvable_text(from), dep_text(dep),
                          elsewhere(name_in(dep))));
          break;
        case SOLVER_RULE_PKG_REQUIRES:
          say(fmt::format("{} needs {}", solvable_text(from), dep_text(dep)));
          break;
        case SOLVER_RULE_PKG_CONFLICTS:
          say(fmt::format("{} conflicts with {}{}", solvable_text(from), solvable_text(to),
                          apk_ ? "" : fmt::format(" ({})", dep_text(dep))));
          break;
        case SOLVER_RULE_PKG_SAME_NAME:
          say(fmt::format("only one of {} and {} can be there", solvable_text(from), solvable_text(to)));
          break;
        case SOLVER_RULE_UPDATE:
          say(fmt::format("{} cannot be changed", solvable_text(from)));
          break;
        default:
          if (from != 0) say(fmt::format("{} cannot be installed", solvable_text(from)));
          break;
      }
    }
    if (failure.request == problem_.requests.size()) failure.request = 0;
    failure.message = "these packages cannot be there together:\n    " + base::join(lines, "\n    ");
    return failure;
  }

  const Problem& problem_;
  bool apk_;
  std::unique_ptr<Pool, void (*)(Pool*)> pool_;
  Id offset_key_ = 0;
  std::vector<Loaded> loaded_;
  std::map<Id, std::vector<Passed>> passed_;  // by name
  std::vector<Id> omitted_;
  std::map<Id, Facts> facts_;
  std::set<std::string> versions_;
  std::map<std::string, size_t> ranks_;
  std::map<std::string, std::string> names_of_ranks_;
  std::map<std::string, std::set<std::string>> fuzzy_;
};

}  // namespace

Solution solve(const Problem& problem) { return Solving(problem).run(); }

}  // namespace minibuild::packages
