#include "builder/cli/keys.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <optional>

#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"
#include "minibuild/trust/pkcs11.h"

namespace minibuild::cli {

using base::Code;

namespace {

constexpr std::string_view from_environment = "env://";
constexpr size_t max_key = size_t{1} << 20;
constexpr size_t max_password = 1024;

// A line that is typed without being shown; nothing if there is no terminal.
std::optional<std::string> ask(const std::string& question) {
  const base::Fd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
  termios before{};
  if (!terminal || ::tcgetattr(terminal.get(), &before) != 0) return std::nullopt;
  termios silent = before;
  // Ctrl-C ends the line instead of sending a signal, which would leave the terminal silent.
  silent.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG);
  silent.c_cc[VEOL] = before.c_cc[VINTR];
  if (::tcsetattr(terminal.get(), TCSAFLUSH, &silent) != 0) return std::nullopt;
  base::write_all(terminal.get(), question, "the terminal");
  std::string line;
  char c = 0;
  const char stop = static_cast<char>(before.c_cc[VINTR]);
  while (line.size() < max_password && ::read(terminal.get(), &c, 1) == 1 && c != '\n' && c != stop)
    line.push_back(c);
  ::tcsetattr(terminal.get(), TCSAFLUSH, &before);
  base::write_all(terminal.get(), "\n", "the terminal");
  if (c == stop && stop != 0) throw base::Interrupted();
  return line;
}

// An empty variable is an empty password: cosign makes such keys.
std::optional<std::string> given_password() {
  for (const char* name : {"COSIGN_PASSWORD", "MINIBUILD_KEY_PASSWORD"})
    if (const char* value = std::getenv(name)) return value;
  return std::nullopt;
}

std::string password_for(const std::string& name, const char* kind) {
  if (const auto given = given_password()) return *given;
  return ask(fmt::format("{} for {}: ", kind, name.substr(0, name.find('?')))).value_or("");
}

std::string pin_for(const std::string& uri) { return trust::has_pin(uri) ? "" : password_for(uri, "PIN"); }

}  // namespace

std::string read_named(const std::string& name, const std::string& what) {
  if (name.starts_with(from_environment)) {
    const std::string variable = name.substr(from_environment.size());
    const char* value = std::getenv(variable.c_str());
    if (value == nullptr)
      throw base::Error(Code::usage, fmt::format("cannot read {}: the variable {} is not set", what,
                                                 base::printable(variable)));
    return value;
  }
  const size_t scheme = name.find("://");
  if (scheme != std::string::npos && !base::exists(name))
    throw base::Error(Code::usage,
                      fmt::format("cannot read {} {}: want a file, env://VARIABLE or, for a key, a "
                                  "pkcs11: URI",
                                  what, base::printable(name)));
  return base::read_file(name, max_key);
}

std::unique_ptr<trust::Signer> read_signer(const std::string& name) {
  if (trust::is_token_uri(name)) return trust::open_token_key(name, pin_for(name));
  const std::string pem = read_named(name, "the key");
  const std::string password = trust::is_encrypted(pem) ? password_for(name, "Password") : "";
  return trust::parse_private_key(pem, password, "the key " + name);
}

trust::PublicKey read_public_key(const std::string& name) {
  if (trust::is_token_uri(name)) {
    // Most tokens show public keys to everybody.
    return trust::read_token_key(name, given_password().value_or(""));
  }
  return trust::parse_public_key(read_named(name, "the key"), "the key " + name);
}

std::vector<trust::PublicKey> read_public_keys(const std::vector<std::string>& names) {
  std::vector<trust::PublicKey> keys;
  for (const std::string& name : names) keys.push_back(read_public_key(name));
  return keys;
}

int64_t time_of_signing() {
  if (const char* text = std::getenv("SOURCE_DATE_EPOCH")) {
    const auto seconds = base::parse_time(text);
    if (!seconds)
      throw base::Error(Code::usage, fmt::format("got SOURCE_DATE_EPOCH={}, want seconds since 1970", text));
    return *seconds;
  }
  return std::time(nullptr);
}

}  // namespace minibuild::cli
