// Advisories in SQLite. A store is a function of the documents that it was made of, so the cache keeps it
// under their hash; when they were current is told by whoever opens it.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "builder/trust/advisory_records.h"
#include "builder/trust/sqlite.h"
#include "minibuild/base/text.h"
#include "minibuild/oci/json.h"

namespace minibuild::trust {

using base::fail;

namespace {

// A change of what is stored, or of how documents are read, makes another version.
constexpr const char* store_version = "advisories 3 ";

constexpr const char* schema =
    "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
    "CREATE TABLE documents(number INTEGER PRIMARY KEY, newest INTEGER NOT NULL);"
    "CREATE TABLE titles(number INTEGER PRIMARY KEY, text TEXT NOT NULL);"
    "CREATE TABLE advisories(number INTEGER PRIMARY KEY, ecosystem TEXT NOT NULL, package TEXT NOT NULL,"
    " document INTEGER NOT NULL, feed INTEGER NOT NULL, id TEXT NOT NULL, cves TEXT NOT NULL, aliases TEXT "
    "NOT NULL,"
    " state INTEGER NOT NULL, versions TEXT NOT NULL, severity INTEGER NOT NULL, score REAL NOT NULL,"
    " vector TEXT NOT NULL, urgency TEXT NOT NULL, newest TEXT NOT NULL, note TEXT NOT NULL, title INTEGER "
    "NOT NULL, url TEXT NOT "
    "NULL);"
    "BEGIN";
constexpr const char* indexes =
    "CREATE INDEX by_package ON advisories(ecosystem, package);"
    "CREATE TABLE facts AS SELECT ecosystem, feed, document, COUNT(*) AS records FROM advisories"
    " GROUP BY ecosystem, feed, document;"
    "COMMIT";

std::string versions_text(const Advisory& advisory) {
  if (advisory.ranges.empty() && advisory.versions.empty()) return {};
  Value ranges = Value::array();
  for (const VersionRange& range : advisory.ranges) {
    Value events = Value::array();
    for (const VersionEvent& event : range) {
      events.push_back(static_cast<int>(event.kind));
      events.push_back(event.version);
    }
    ranges.push_back(std::move(events));
  }
  return Value{std::move(ranges), advisory.versions}.dump(-1, ' ', false, Value::error_handler_t::replace);
}

void read_versions(const std::string& text, Advisory& advisory) {
  if (text.empty()) return;
  const Value both = Value::parse(text);
  for (const Value& events : both.at(0)) {
    VersionRange range;
    for (size_t i = 0; i + 1 < events.size(); i += 2)
      range.push_back(
          {static_cast<VersionEvent::Kind>(events.at(i).get<int>()), events.at(i + 1).get<std::string>()});
    advisory.ranges.push_back(std::move(range));
  }
  advisory.versions = both.at(1).get<std::vector<std::string>>();
}

// Names have no line ends in them, see plain_text.
std::vector<std::string> lines_of(const std::string& text) {
  return text.empty() ? std::vector<std::string>() : base::split(text, '\n');
}

class Writer {
 public:
  explicit Writer(const Database& database)
      : database_(database),
        insert_(
            database,
            "INSERT INTO advisories(ecosystem, package, document, feed, id, cves, aliases, state, versions,"
            " severity, score, vector, urgency, note, title, url, newest) "
            "VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"),
        title_(database, "INSERT INTO titles(text) VALUES(?)"),
        document_(database, "INSERT INTO documents(number, newest) VALUES(?,?)") {}

  void put(const Advisory& a, int64_t document) {
    const std::string cves = base::join(a.cves, "\n");
    const std::string aliases = base::join(a.aliases, "\n");
    const std::string versions = versions_text(a);
    // A document tells of the same thing for each release, one after the other.
    if (last_title_ == 0 || a.title != last_text_) {
      title_.bind(1, a.title).step();
      title_.reset();
      last_title_ = database_.last_row();
      last_text_ = a.title;
    }
    insert_.bind(1, a.ecosystem).bind(2, a.package).bind(3, document).bind(4, static_cast<int64_t>(a.feed));
    insert_.bind(5, a.id)
        .bind(6, cves)
        .bind(7, aliases)
        .bind(8, static_cast<int64_t>(a.state))
        .bind(9, versions);
    insert_.bind(10, static_cast<int64_t>(a.severity))
        .bind(11, a.score)
        .bind(12, a.vector)
        .bind(13, a.urgency);
    insert_.bind(14, a.note).bind(15, last_title_).bind(16, a.url).bind(17, a.newest).step();
    insert_.reset();
    ++count_;
  }
  void end_document(int64_t document, int64_t newest) {
    document_.bind(1, document).bind(2, newest).step();
    document_.reset();
  }
  uint64_t count() const { return count_; }

 private:
  const Database& database_;
  Statement insert_;
  Statement title_;
  Statement document_;
  int64_t last_title_ = 0;
  std::string last_text_;
  uint64_t count_ = 0;
};

// A path as SQLite's URI, in which `?`, `#` and `%` mean something.
std::string file_uri(const std::string& path) {
  std::string uri = "file:";
  for (const char c : path)
    uri += c == '?' || c == '#' || c == '%' ? fmt::format("%{:02X}", static_cast<unsigned char>(c))
                                            : std::string(1, c);
  return uri + "?immutable=1";
}

base::Hash cache_key(std::string_view bytes) {
  return base::Sha256().update(store_version).update(bytes).finish();
}

// The store that is kept under a key, or one that is made of the files now.
oci::Digest kept_store(const base::Hash& key, const std::vector<std::string>& files, const std::string& name,
                       bool skip_unknown, store::Cache& cache) {
  if (const auto known = cache.find_result(key); known && known->blobs.size() == 1)
    return known->blobs.front();
  base::AtomicFile file(cache.temporary_directory() + "/advisories", 0600);
  Advisories::write_store(file.temporary(), files, cache.temporary_directory(), skip_unknown);
  if (::fchmod(file.fd(), 0444) != 0) fail("cannot keep the advisories of {}: {}", name, base::errno_text());
  const oci::Digest digest = cache.keep_blob(file);
  cache.note_file_digest(cache.blob_path(digest), digest);
  cache.put_result(key, {"advisories", name, {digest}});
  return digest;
}

std::vector<std::string> files_in(const std::string& directory) {
  DIR* dir = ::opendir(directory.c_str());
  if (dir == nullptr) fail("cannot read the directory {}: {}", directory, base::errno_text());
  std::vector<std::string> files;
  while (const dirent* entry = ::readdir(dir)) {
    struct stat st {};
    std::string path = directory + "/" + entry->d_name;
    if (entry->d_name[0] != '.' && ::stat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode))
      files.push_back(std::move(path));
  }
  ::closedir(dir);
  std::sort(files.begin(), files.end());
  return files;
}

bool looks_like_advisories(const std::string& file) {
  static constexpr std::string_view ends[] = {".json", ".jsonl", ".zip", ".tar", ".gz",
                                              ".tgz",  ".xz",    ".zst", ".bz2"};
  return std::any_of(std::begin(ends), std::end(ends),
                     [&](std::string_view end) { return file.ends_with(end); });
}

base::Hash feeds_key() { return base::sha256("advisory feeds 1"); }

}  // namespace

struct Advisories::Store {
  Database database;
  mutable Statement find;
  Store(const std::string& name, int flags, const std::string& what)
      : database(name, flags, what), find(prepared(database)) {}

 private:
  static Statement prepared(const Database& database) {
    if (::sqlite3_table_column_metadata(database.get(), nullptr, "advisories", nullptr, nullptr, nullptr,
                                        nullptr, nullptr, nullptr) != SQLITE_OK)
      database.run(schema);  // a new one, in memory
    return {database,
            "SELECT feed, id, cves, aliases, state, versions, severity, score, vector, urgency, note,"
            " (SELECT text FROM titles t WHERE t.number = title), url, newest"
            " FROM advisories WHERE ecosystem = ? AND package = ? ORDER BY feed, id, number"};
  }
};

Advisories::Advisories() = default;

Advisories::Advisories(const std::vector<Advisory>& list, int64_t date, const std::string& source) {
  auto store = std::make_shared<Store>(":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, source);
  std::map<std::pair<std::string, Feed>, uint64_t> counts;
  Writer writer(store->database);
  for (const Advisory& one : list) {
    writer.put(one, 0);
    ++counts[{one.ecosystem, one.feed}];
  }
  store->database.run(indexes);
  for (const auto& [key, count] : counts) feeds_.push_back({key.second, key.first, count, date, source});
  stores_.push_back(std::move(store));
}

void Advisories::write_store(const std::string& path, const std::vector<std::string>& files,
                             const std::string& temporary_directory, bool skip_unknown) {
  const Database database(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, path);
  database.run(schema);
  Writer writer(database);
  bool any = false;
  for (size_t i = 0; i < files.size(); ++i) {
    const auto document = static_cast<int64_t>(i);
    const uint64_t before = writer.count();
    try {
      writer.end_document(document, read_advisory_file(files[i], files[i], temporary_directory,
                                                       [&](Advisory&& one) { writer.put(one, document); }));
      any = true;
    } catch (const NotAdvisories&) {
      if (!skip_unknown || writer.count() != before) throw;
    }
  }
  if (!any) fail("no file in it is the Debian tracker's JSON, an Alpine secdb, or OSV records");
  database.run(indexes);
}

void Advisories::add_store(const std::string& path, const std::vector<int64_t>& dates,
                           const std::string& source, const std::vector<std::string>& files) {
  auto store = std::make_shared<Store>(file_uri(path), SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, source);
  std::map<std::pair<std::string, Feed>, FeedFacts> facts;
  Statement groups(store->database,
                   "SELECT f.ecosystem, f.feed, f.document, f.records, d.newest FROM facts f"
                   " JOIN documents d ON d.number = f.document");
  while (groups.step()) {
    const auto document = static_cast<size_t>(groups.number(2));
    if (document >= dates.size() || groups.number(1) > static_cast<int64_t>(Feed::osv))
      fail("cannot use the advisories of {}: they are damaged", source);
    const auto feed = static_cast<Feed>(groups.number(1));
    int64_t date = dates[document];
    if (const int64_t newest = groups.number(4); newest > 0 && (date == 0 || newest < date)) date = newest;
    FeedFacts& one = facts[{groups.text(0), feed}];
    one.feed = feed;
    one.ecosystem = groups.text(0);
    one.source = source;
    one.records += static_cast<uint64_t>(groups.number(3));
    one.date = std::max(one.date, date);
  }
  std::set<int64_t> read;
  Statement documents(store->database, "SELECT number FROM documents");
  while (documents.step()) read.insert(documents.number(0));
  for (size_t i = 0; i < files.size(); ++i)
    if (!read.contains(static_cast<int64_t>(i)) && looks_like_advisories(files[i]))
      passed_over_.push_back(files[i]);
  for (auto& [key, one] : facts) feeds_.push_back(std::move(one));
  std::stable_sort(feeds_.begin(), feeds_.end(), [](const FeedFacts& a, const FeedFacts& b) {
    return std::tie(a.ecosystem, a.feed, a.source) < std::tie(b.ecosystem, b.feed, b.source);
  });
  stores_.push_back(std::move(store));
}

std::vector<Advisory> Advisories::find(const std::string& ecosystem, const std::string& package) const {
  std::vector<Advisory> found;
  for (const auto& store : stores_) {
    Statement& query = store->find;
    query.reset();
    query.bind(1, ecosystem).bind(2, package);
    while (query.step()) {
      Advisory a;
      a.feed = static_cast<Feed>(query.number(0));
      a.ecosystem = ecosystem;
      a.package = package;
      a.id = query.text(1);
      a.cves = lines_of(query.text(2));
      a.aliases = lines_of(query.text(3));
      a.state = static_cast<Advisory::State>(query.number(4));
      try {
        read_versions(query.text(5), a);
      } catch (const nlohmann::json::exception&) {
        fail("cannot use the advisories about {}: they are damaged", package);
      }
      a.severity = static_cast<Severity>(query.number(6));
      a.score = query.real(7);
      a.vector = query.text(8);
      a.urgency = query.text(9);
      a.note = query.text(10);
      a.title = query.text(11);
      a.url = query.text(12);
      a.newest = query.text(13);
      found.push_back(std::move(a));
    }
    query.reset();
  }
  return found;
}

void add_advisories(Advisories& to, const std::string& path, store::Cache& cache) {
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) fail("cannot read the advisories {}: {}", path, base::errno_text());
  const bool directory = S_ISDIR(st.st_mode);
  const std::vector<std::string> files = directory ? files_in(path) : std::vector<std::string>{path};
  std::vector<int64_t> dates;
  std::string hashes;
  for (const std::string& file : files) {
    if (::stat(file.c_str(), &st) != 0) fail("cannot read the advisories {}: {}", file, base::errno_text());
    if (!S_ISREG(st.st_mode)) fail("cannot read the advisories {}: it is no file", file);
    dates.push_back(st.st_mtim.tv_sec);
    hashes += base::as_bytes(store::content_id(
        {tree::DiskFile{file, base::stamp_of(st)}, static_cast<uint64_t>(st.st_size)}, cache));
  }
  oci::Digest digest;
  try {
    digest = kept_store(cache_key((directory ? "d" : "f") + hashes), files, base::file_name(path), directory,
                        cache);
  } catch (const base::Error& error) {
    if (std::string_view(error.what()).starts_with("cannot ")) throw;
    throw base::Error(error.code(), fmt::format("cannot read the advisories {}: {}", path, error.what()));
  }
  to.add_store(cache.blob_path(digest), dates, path, directory ? files : std::vector<std::string>());
}

StoredFeed store_feed(const oci::Digest& document, const std::string& url, int64_t now, store::Cache& cache) {
  try {
    return {
        url,
        kept_store(cache_key(base::as_bytes(document.hash)), {cache.blob_path(document)}, url, false, cache),
        now};
  } catch (const base::Error& error) {
    std::string text = error.what();
    const std::string path = cache.blob_path(document);
    for (size_t at = text.find(path); at != std::string::npos; at = text.find(path, at + url.size()))
      text.replace(at, path.size(), url);
    throw base::Error(error.code(), text);
  }
}

std::vector<StoredFeed> stored_feeds(store::Cache& cache) {
  std::vector<StoredFeed> feeds;
  const auto result = cache.find_result(feeds_key());
  if (!result) return feeds;
  const oci::Json list = oci::parse_json(result->value, "the list of feeds in the cache");
  for (const oci::Json& one : list) {
    if (!one.is_object() || !one.contains("url") || !one.contains("store") || !one.contains("fetched"))
      return {};
    if (!one["url"].is_string() || !one["store"].is_string() || !one["fetched"].is_number_integer())
      return {};
    feeds.push_back({one["url"].get<std::string>(),
                     oci::parse_digest(one["store"].get<std::string>(), "a store"),
                     one["fetched"].get<int64_t>()});
  }
  return feeds;
}

void keep_feeds(const std::vector<StoredFeed>& feeds, store::Cache& cache) {
  oci::Json list = oci::Json::array();
  store::Result result{"feeds", {}, {}};
  for (const StoredFeed& feed : feeds) {
    list.push_back({{"url", feed.url}, {"store", oci::to_string(feed.store)}, {"fetched", feed.fetched}});
    if (std::find(result.blobs.begin(), result.blobs.end(), feed.store) == result.blobs.end())
      result.blobs.push_back(feed.store);
  }
  result.value = list.dump(-1, ' ', false, oci::Json::error_handler_t::replace);
  cache.put_result(feeds_key(), result);
}

Advisories open_feeds(const std::vector<StoredFeed>& feeds, store::Cache& cache) {
  Advisories advisories;
  for (const StoredFeed& feed : feeds)
    advisories.add_store(cache.blob_path(feed.store), std::vector<int64_t>(1, feed.fetched), feed.url);
  return advisories;
}

std::vector<std::string> default_feeds(int64_t now) {
  std::vector<std::string> urls = {"https://security-tracker.debian.org/tracker/data/json",
                                   "https://osv-vulnerabilities.storage.googleapis.com/Debian/all.zip"};
  for (const Release& release : alpine_releases())
    if (base::parse_time(std::string(release.last_day) + "T23:59:59Z").value_or(0) >= now)
      for (const char* repository : {"main", "community"})
        urls.push_back(fmt::format("https://secdb.alpinelinux.org/{}/{}.json", release.number, repository));
  return urls;
}

}  // namespace minibuild::trust
