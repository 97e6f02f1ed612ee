// An index and what is asked for, cut out of the input: solve() answers or refuses, and what it answers
// keeps what the packages say. The input is `FORMAT REQUEST…`, a line; then the packages that are there, a
// line `=`, and the index. FORMAT is `deb`, `apk`, or `deb!` for the essential ones too; a request is
// `name=1`, `!name` (absent) or `-name` (omitted).
#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>

#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"
#include "minibuild/packages/solve.h"

using namespace minibuild;
using namespace minibuild::packages;

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

std::string_view cut(std::string_view& rest, std::string_view separator) {
  const size_t end = rest.find(separator);
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + separator.size());
  return part;
}

void check_solution(const Problem& problem, const Solution& solution) {
  if (solution.failure) {
    check(solution.packages.empty() && !solution.failure->message.empty());
    check(problem.requests.empty() || solution.failure->request < problem.requests.size());
    return;
  }
  std::set<std::string> names;
  std::set<std::string> provided;
  for (const Selected& one : solution.packages) {
    check(names.insert(one.facts.name).second && !one.why.empty());
    check(one.facts.name.find('/') == std::string::npos && one.url.starts_with("u/"));
  }
  const auto add = [&](const Facts& facts) {
    provided.insert(facts.name);
    for (const std::string& text : facts.provides)
      provided.insert((problem.format == Format::apk ? apk_relation(text) : deb_relation(text)).name);
  };
  for (const Selected& one : solution.packages) add(one.facts);
  for (const Facts& facts : problem.installed) add(facts);
  for (const Request& request : problem.requests) {
    if (request.omitted) continue;
    if (!request.absent) check(provided.contains(request.name));
    if (request.absent && request.op.empty()) check(!names.contains(request.name));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  // libsolv's texts end at a zero byte.
  if (size > 4096 || rest.find('\0') != std::string_view::npos) return 0;
  Problem problem;
  std::string_view line = cut(rest, "\n");
  const std::string_view format = cut(line, " ");
  problem.format = format == "apk" ? Format::apk : Format::deb;
  problem.essential = format == "deb!";
  problem.architecture = problem.format == Format::apk ? "x86_64" : "amd64";
  while (!line.empty() && problem.requests.size() < 8) {
    std::string_view word = cut(line, " ");
    if (word.empty()) continue;
    Request request;
    request.label = std::string(word);
    request.omitted = word.starts_with('-');
    if (request.omitted) word.remove_prefix(1);
    Relation relation = apk_relation(word);
    static const std::set<std::string> operators = {"", "=", "<", "<=", ">", ">=", "~"};
    // As a spec lets it through.
    if (relation.name.empty() || !operators.contains(relation.op) ||
        relation.op.empty() != relation.version.empty() ||
        (problem.format == Format::deb && relation.op == "~"))
      continue;
    request.name = relation.name;
    request.op = relation.op;
    request.version = relation.version;
    request.absent = relation.absent;
    problem.requests.push_back(std::move(request));
  }
  const bool has_base = rest.starts_with("=\n") || rest.find("\n=\n") != std::string_view::npos;
  std::string_view base_text = has_base && !rest.starts_with("=\n") ? cut(rest, "\n=\n") : "";
  for_each_paragraph(base_text, [&](std::string_view paragraph, size_t) {
    Facts facts = problem.format == Format::apk ? apk_facts(paragraph) : deb_facts(paragraph);
    if (!facts.name.empty()) problem.installed.push_back(std::move(facts));
  });
  const base::Fd text(::memfd_create("index", MFD_CLOEXEC));
  base::write_all(text.get(), rest, "the index");
  std::string parsed;
  Index index{"source", "u", "/proc/self/fd/" + std::to_string(text.get()), "",
              [&](const std::string& bytes) { parsed = bytes; }};
  problem.indexes.push_back(index);
  std::optional<bool> first;
  try {
    const Solution solution = solve(problem);
    check_solution(problem, solution);
    first = solution.failure.has_value();
  } catch (const base::Error&) {
    first.reset();
  }
  if (parsed.empty()) return 0;
  // The form that is kept for the next time says the same of whether there is a solution.
  const base::Fd kept(::memfd_create("parsed", MFD_CLOEXEC));
  base::write_all(kept.get(), parsed, "the parsed index");
  problem.indexes.front().parsed = "/proc/self/fd/" + std::to_string(kept.get());
  std::optional<bool> second;
  try {
    const Solution solution = solve(problem);
    check_solution(problem, solution);
    second = solution.failure.has_value();
  } catch (const base::Error&) {
    second.reset();
  }
  check(first == second);
  return 0;
}
