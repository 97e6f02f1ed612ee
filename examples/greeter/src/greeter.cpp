#include <cstdlib>
#include <iostream>

#include "greeting.h"

int main() {
  const char* name = std::getenv("GREETING_NAME");
  std::cout << greeting(name == nullptr ? "nobody" : name) << std::endl;
}
