// What indexes, databases and packages say about themselves, as text: nothing crashes, what is cut out of a
// text lies inside it, and what was read reads the same again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "minibuild/base/error.h"
#include "minibuild/packages/deb.h"
#include "minibuild/packages/facts.h"

using namespace minibuild;
using namespace minibuild::packages;

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

bool is_inside(std::string_view part, std::string_view whole) {
  return part.empty() || (part.data() >= whole.data() && part.end() <= whole.end());
}

void check_deb_relations(const std::string& text) {
  for (const Relation& one : deb_alternatives(text)) {
    check(!one.absent);
    check(one.name.find_first_of("|([<:") == std::string::npos);
    check(one.op.find_first_not_of("<>=") == std::string::npos);
    check(one.op.empty() || one.op != "<<");
    check(one.version.find('|') == std::string::npos);
  }
}

void check_apk_relation(const std::string& text) {
  const Relation one = apk_relation(text);
  check(one.name.find_first_of("<>=~@") == std::string::npos);
  check(one.op.find_first_not_of("<>=~") == std::string::npos);
  check(!one.op.empty() || one.version.empty());
  const Relation again = apk_relation((one.absent ? "!" : "") + one.name + one.op + one.version);
  check(again.absent == one.absent && again.op == one.op && again.version == one.version);
}

void check_facts(const Facts& facts, bool apk) {
  check(facts.name.empty() || !facts.source.empty());
  for (const auto* list :
       {&facts.depends, &facts.provides, &facts.conflicts, &facts.replaces, &facts.install_if})
    for (const std::string& text : *list) {
      if (apk)
        check_apk_relation(text);
      else
        check_deb_relations(text);
    }
  for (const std::string& text : facts.depends)
    check(!text.empty() && (apk ? !text.starts_with('!') : text.find(',') == std::string::npos));
  if (is_package_name(facts.name)) {
    check(facts.name.size() <= 255 && facts.name != "." && facts.name != "..");
    check(facts.name.find('/') == std::string::npos && facts.name.find('\0') == std::string::npos);
  }
}

void check_paragraphs(std::string_view text) {
  size_t end = 0;
  size_t bytes = 0;
  for_each_paragraph(text, [&](std::string_view paragraph, size_t offset) {
    check(!paragraph.empty() && offset >= end && is_inside(paragraph, text));
    check(paragraph.data() == text.data() + offset);
    check(paragraph.find("\n\n") == std::string_view::npos);
    end = offset + paragraph.size();
    bytes += paragraph.size();
    check_facts(deb_facts(paragraph), false);
    check_facts(apk_facts(paragraph), true);
    for (const char* name : {"Package", "depends", "SHA256", ""})
      check(is_inside(field_of(paragraph, name), paragraph));
    // Of fields that stand once, the two ways of reading agree.
    if (const std::string_view name = field_of(paragraph, "Package"); deb_facts(paragraph).name.empty())
      check(name.empty());
  });
  // Only line ends are between paragraphs.
  size_t other = 0;
  for (const char c : text) other += c != '\n' ? 1 : 0;
  check(other <= bytes && bytes <= text.size());
}

void check_release(std::string_view text) {
  try {
    const Release release = parse_release(text, "input");
    check(!release.files.empty());
    for (const auto& [path, file] : release.files)
      check(!path.empty() && path.find(' ') == std::string::npos);
    for (const std::string& component : release.components) check(!component.empty());
    for (const auto& date : {release.date, release.valid_until}) check(!date || *date >= -86400);
  } catch (const base::Error&) {
    return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_paragraphs(text);
  check_release(text);
  check_facts(pkginfo_facts(text), true);
  const std::string first(text.substr(0, text.find('\n')));
  check_deb_relations(first);
  check_apk_relation(first);
  return 0;
}
