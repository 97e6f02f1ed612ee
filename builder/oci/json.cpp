#include "minibuild/oci/json.h"

#include <set>
#include <vector>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::oci {

namespace {

constexpr size_t max_depth = 64;

// Looks at a document before it becomes a value: depth, duplicate keys, syntax.
class Examiner : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return true; }
  bool boolean(bool /*value*/) override { return true; }
  bool number_integer(number_integer_t /*value*/) override { return true; }
  bool number_unsigned(number_unsigned_t /*value*/) override { return true; }
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override { return true; }
  bool string(string_t& /*value*/) override { return true; }
  bool binary(binary_t& /*value*/) override { return false; }
  bool start_object(std::size_t /*size*/) override { return enter(); }
  bool end_object() override { return leave(); }
  bool start_array(std::size_t /*size*/) override { return enter(); }
  bool end_array() override { return leave(); }
  bool key(string_t& name) override {
    if (keys_.back().insert(name).second) return true;
    error = fmt::format("the key '{}' appears twice", base::printable(name.substr(0, 100)));
    return false;
  }
  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*why*/) override {
    error = fmt::format("it is not valid JSON at byte {}", position);
    return false;
  }

  std::string error;

 private:
  bool enter() {
    keys_.emplace_back();
    if (keys_.size() <= max_depth) return true;
    error = fmt::format("it is nested more than {} deep", max_depth);
    return false;
  }
  bool leave() {
    keys_.pop_back();
    return true;
  }
  std::vector<std::set<std::string>> keys_;
};

}  // namespace

Json parse_json(std::string_view text, std::string_view what, size_t limit) {
  if (text.size() > limit)
    base::fail("cannot read {}: it has {} bytes, want at most {}", what, text.size(), limit);
  if (!base::is_utf8(text)) base::fail("cannot read {}: it is not UTF-8", what);
  Examiner examiner;
  if (!Json::sax_parse(text.begin(), text.end(), &examiner))
    base::fail("cannot read {}: {}", what, examiner.error);
  return Json::parse(text.begin(), text.end(), nullptr, false);
}

}  // namespace minibuild::oci
