// Credentials in anything (a byte from 0xF0 on stands for a sample that the next byte chooses): a file that
// is searched in parts gives what it gives in one piece; nothing that is shown holds more than four
// characters; baselines that are read are written as they were.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "minibuild/base/error.h"
#include "minibuild/trust/secret_rules.h"
#include "tests/trust/secret_samples.h"

namespace {

using namespace minibuild;

std::string with_samples(std::string_view input) {
  static const std::vector<trust::samples::Sample> samples = trust::samples::all(1);
  std::string out;
  for (size_t i = 0; i < input.size() && out.size() < (size_t{1} << 18U); ++i) {
    if (static_cast<uint8_t>(input[i]) < 0xF0 || i + 1 == input.size()) {
      out += input[i];
      continue;
    }
    const trust::samples::Sample& one = samples[static_cast<uint8_t>(input[++i]) % samples.size()];
    out += static_cast<uint8_t>(input[i - 1]) < 0xFC ? one.text : one.miss;
  }
  return out;
}

void check_parts(std::string_view bytes, std::string_view cuts) {
  const std::vector<trust::SecretFinding> whole = trust::scan_secrets("/app/.env", bytes);
  trust::SecretScanner scanner("/app/.env");
  size_t at = 0;
  for (size_t i = 0; at < bytes.size(); ++i) {
    // Parts of 1 byte to some 30 KiB, as the input says.
    const auto byte = static_cast<uint8_t>(cuts.empty() ? 255 : cuts[i % cuts.size()]);
    const size_t size = byte < 128 ? byte + 1U : (byte - 127U) * 256U;
    scanner.write(bytes.substr(at, size));
    at += size;
  }
  if (scanner.finish() != whole) std::abort();
  for (const trust::SecretFinding& one : whole)
    if (one.offset > bytes.size() || one.excerpt.size() > 7 || one.fingerprint.size() != 64 || one.line < 0)
      std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view cuts = input.substr(0, std::min<size_t>(size, 8));
  const std::string bytes = with_samples(input.substr(cuts.size()));
  check_parts(bytes, cuts);
  // The same far from the beginning, where windows have moved.
  if (size > 8) check_parts(std::string(static_cast<uint8_t>(cuts[0]) * 97U + 4000, ' ').append(bytes), cuts);
  trust::scan_texts({{"env:APP_SECRET", std::string(input)}, {"history:0", std::string(input)}});
  try {
    const trust::Baseline baseline = trust::parse_baseline(input, "input");
    if (trust::parse_baseline(trust::to_json(baseline), "again") != baseline) std::abort();
  } catch (const base::Error&) {
    return 0;
  }
  return 0;
}
