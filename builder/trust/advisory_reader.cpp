// Documents of advisories as they come: JSON is taken apart into records while it is read, so that memory
// depends on the largest record and not on the document. What kind of document it is, its first member tells.
#include <array>
#include <istream>
#include <streambuf>

#include "builder/trust/advisory_records.h"
#include "minibuild/archive/tar.h"
#include "minibuild/archive/unpack.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"

namespace minibuild::trust {

using base::fail;

namespace {

constexpr uint64_t max_document = uint64_t{4} << 30;
constexpr uint64_t max_record = uint64_t{16} << 20;
constexpr size_t max_record_depth = 64;

// What nlohmann's parser reads from; counts, so that neither a document nor a record is endless.
class Input : public std::streambuf {
 public:
  explicit Input(base::Source& source) : source_(source) {}
  /// A record begins here.
  void mark() { marked_ = position(); }
  uint64_t position() const { return read_ - static_cast<uint64_t>(egptr() - gptr()); }
  /// Takes a byte order mark, as editors leave it, off the beginning.
  void skip_mark() {
    if (sgetc() == traits_type::eof() || egptr() - gptr() < 3) return;
    if (std::string_view(gptr(), 3) == "\xEF\xBB\xBF") gbump(3);
  }
  /// The next byte that is no white space, not taken; nothing at the end.
  std::optional<char> peek() {
    for (int c = sgetc(); c != traits_type::eof(); c = snextc())
      if (c != ' ' && c != '\t' && c != '\n' && c != '\r') return static_cast<char>(c);
    return std::nullopt;
  }

 protected:
  int_type underflow() override {
    if (gptr() < egptr()) return traits_type::to_int_type(*gptr());
    if (read_ > max_document) fail("it has more than {}", base::human_size(max_document));
    if (read_ - marked_ > max_record) fail("a record has more than {}", base::human_size(max_record));
    const size_t n = source_.read(buffer_);
    read_ += n;
    setg(buffer_.data(), buffer_.data(), buffer_.data() + n);
    return n == 0 ? traits_type::eof() : traits_type::to_int_type(buffer_[0]);
  }

 private:
  base::Source& source_;
  std::array<char, size_t{64} << 10> buffer_;
  uint64_t read_ = 0;
  uint64_t marked_ = 0;
};

// Takes a document apart: a tracker into the records of source packages, a list into its elements; any other
// document is one record.
class Splitter : public nlohmann::json_sax<Value> {
 public:
  Splitter(Input& input, const AdvisorySink& sink) : input_(input), sink_(sink) {}

  bool null() override { return value(Value()); }
  bool boolean(bool v) override { return value(Value(v)); }
  bool number_integer(number_integer_t v) override { return value(Value(v)); }
  bool number_unsigned(number_unsigned_t v) override { return value(Value(v)); }
  bool number_float(number_float_t v, const string_t& /*text*/) override { return value(Value(v)); }
  bool string(string_t& v) override { return value(Value(std::move(v))); }
  bool binary(binary_t& /*v*/) override { return false; }
  bool start_object(std::size_t /*size*/) override { return enter(Value::object()); }
  bool start_array(std::size_t /*size*/) override { return enter(Value::array()); }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }
  bool key(string_t& name) override {
    if (!stack_.empty())
      member_ = &(*stack_.back())[std::move(name)];
    else if (depth_ == 1)
      package_ = std::move(name);
    else
      id_ = std::move(name);
    return true;
  }
  bool parse_error(std::size_t /*position*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*why*/) override {
    fail("it is not valid JSON near byte {}", input_.position());
  }

  bool is_tracker() const { return shape_ == Shape::tracker; }
  int64_t newest() const { return newest_; }

 private:
  enum class Shape { unknown, object, document, list, tracker };

  // Puts a value where it belongs in the record that is being made.
  Value* place(Value&& v) {
    Value& top = *stack_.back();
    if (top.is_array()) {
      top.push_back(std::move(v));
      return &top.back();
    }
    *member_ = std::move(v);
    return member_;
  }

  // The first member of a document's object tells what the document is.
  void settle(bool object) {
    if (object && package_ != "database_specific") {
      shape_ = Shape::tracker;
      return;
    }
    shape_ = Shape::document;
    record_ = Value::object();
    stack_ = {&record_};
    member_ = &record_[package_];
  }

  bool value(Value&& v) {
    if (shape_ == Shape::object) settle(false);
    if (stack_.empty()) misplaced(v);
    place(std::move(v));
    return true;
  }

  bool enter(Value&& v) {
    if (++depth_ > max_record_depth) fail("it is nested more than {} deep", max_record_depth);
    if (depth_ == 1) {
      shape_ = v.is_object() ? Shape::object : Shape::list;
      return true;
    }
    if (shape_ == Shape::object) settle(v.is_object());
    if (!stack_.empty()) {
      stack_.push_back(place(std::move(v)));
      return true;
    }
    if (!v.is_object()) misplaced(v);
    if (depth_ == (shape_ == Shape::tracker ? 3U : 2U)) {
      record_ = std::move(v);
      stack_ = {&record_};
    }
    return true;
  }

  bool leave() {
    --depth_;
    if (!stack_.empty()) {
      stack_.pop_back();
      if (stack_.empty()) finish();
    }
    if (depth_ == 0 && shape_ == Shape::object)
      throw NotAdvisories(base::Code::failed, "it is an empty object");
    return true;
  }

  [[noreturn]] void misplaced(const Value& v) const {
    if (shape_ == Shape::tracker && any_)
      fail("{} has {} where an object belongs", depth_ < 2 ? "it" : base::printable(package_), v.type_name());
    throw NotAdvisories(base::Code::failed, fmt::format("it has {} where a record belongs", v.type_name()));
  }

  void finish() {
    if (shape_ == Shape::tracker && (any_ || record_.contains("releases"))) {
      read_tracker_record(package_, id_, record_, sink_);
    } else if (shape_ != Shape::tracker && looks_like_osv(record_)) {
      newest_ = std::max(newest_, read_osv_record(record_, sink_));
    } else if (shape_ == Shape::document && looks_like_secdb(record_)) {
      read_secdb(record_, sink_);
    } else {
      throw NotAdvisories(base::Code::failed,
                          "it is neither the Debian tracker's JSON nor an Alpine secdb nor OSV records");
    }
    any_ = true;
    record_ = Value();
    input_.mark();
  }

  Input& input_;
  const AdvisorySink& sink_;
  Shape shape_ = Shape::unknown;
  bool any_ = false;  // a record was read: the document is what it seemed to be
  size_t depth_ = 0;
  std::string package_;        // of the tracker; the first key of any other object
  std::string id_;             // of the tracker's record
  Value record_;               // the one that is being made
  std::vector<Value*> stack_;  // the open values of it
  Value* member_ = nullptr;    // where the value of the last key goes
  int64_t newest_ = 0;
};

int64_t read_documents(base::Source& source, const AdvisorySink& sink) {
  Input input(source);
  std::istream stream(&input);
  int64_t newest = 0;
  for (bool first = true, tracker = false;; first = false) {
    if (first) input.skip_mark();
    const std::optional<char> next = input.peek();
    if (!next && !first) return newest;
    if (first && next != '{' && next != '[')
      throw NotAdvisories(base::Code::failed, next ? "it is not JSON" : "it is empty");
    if (tracker) fail("something follows the tracker's object");
    input.mark();
    Splitter splitter(input, sink);
    if (!nlohmann::json::sax_parse(stream, &splitter, nlohmann::json::input_format_t::json, false))
      fail("it is not valid JSON near byte {}", input.position());
    stream.clear();
    tracker = splitter.is_tracker();
    newest = std::max(newest, splitter.newest());
  }
}

// Runs `read` with its errors made `cannot read WHAT: …`, of the same kind.
template <typename Read>
int64_t with_source_named(const std::string& what, Read read) {
  try {
    return read();
  } catch (const NotAdvisories& error) {
    throw NotAdvisories(error.code(), fmt::format("cannot read {}: {}", what, error.what()));
  } catch (const base::Error& error) {
    if (std::string_view(error.what()).starts_with("cannot ")) throw;
    throw base::Error(error.code(), fmt::format("cannot read {}: {}", what, base::printable(error.what())));
  } catch (const nlohmann::json::exception& error) {
    fail("cannot read {}: {}", what, base::printable(error.what()));
  }
}

// The content of the entry that a tar reader stands at.
class EntrySource : public base::Source {
 public:
  explicit EntrySource(archive::TarReader& reader) : reader_(reader) {}
  size_t read(std::span<char> buffer) override { return reader_.read(buffer); }

 private:
  archive::TarReader& reader_;
};

int64_t read_archive(base::Source& tar, const std::string& what, const AdvisorySink& sink) {
  archive::TarReader reader(tar, what);
  archive::TarEntry entry;
  int64_t newest = 0;
  bool any = false;
  while (reader.next(entry)) {
    if (entry.kind != archive::TarEntry::Kind::file || !entry.path.ends_with(".json")) continue;
    EntrySource source(reader);
    newest =
        std::max(newest, read_advisory_document(source, fmt::format("{} in {}", entry.path, what), sink));
    any = true;
  }
  if (!any) throw NotAdvisories(base::Code::failed, fmt::format("cannot read {}: no .json is in it", what));
  return newest;
}

// The first bytes of a stream, taken off it: enough to tell an archive.
std::string front_of(base::Source& source) {
  std::string front(archive::tar_block, '\0');
  front.resize(base::read_full(source, front));
  return front;
}

}  // namespace

int64_t read_advisory_document(base::Source& source, const std::string& what, const AdvisorySink& sink) {
  return with_source_named(what, [&] { return read_documents(source, sink); });
}

int64_t read_advisory_file(const std::string& path, const std::string& what,
                           const std::string& temporary_directory, const AdvisorySink& sink) {
  const base::Fd fd = base::open_file(path);
  base::FdSource file(fd.get(), what);
  std::string front = front_of(file);
  if (front.starts_with("PK\x03\x04")) {
    base::AtomicFile plain(temporary_directory + "/advisories", 0600);
    archive::unpack(path, plain, what, {2'000'000, max_document});
    const base::Fd again = base::open_file(plain.temporary());
    base::FdSource tar(again.get(), what);
    return read_archive(tar, what, sink);
  }
  base::FrontSource raw(file, std::move(front));
  const std::unique_ptr<base::Source> bytes = archive::decompress_any(raw, what);
  front = front_of(*bytes);
  const bool is_tar = front.size() > 262 && front.compare(257, 5, "ustar") == 0;
  base::FrontSource content(*bytes, std::move(front));
  if (is_tar) return read_archive(content, what, sink);
  return read_advisory_document(content, what, sink);
}

}  // namespace minibuild::trust
