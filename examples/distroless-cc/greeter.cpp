// A program that needs the C++ library.
#include <iostream>
#include <map>
#include <string>

int main() {
  const std::map<std::string, std::string> greetings = {{"en", "hello"}, {"fr", "bonjour"}};
  std::cout << greetings.at("en") << " from distroless/cc\n";
}
