#include <stdio.h>

#ifndef VERSION
#define VERSION "unknown"
#endif

int main(void) {
  FILE* file = fopen("/etc/hello.conf", "r");
  char line[256] = "hello";
  if (file != NULL) {
    if (fscanf(file, "greeting = %255[^\n]", line) != 1) line[0] = '\0';
    fclose(file);
  }
  printf("%s, version %s\n", line, VERSION);
  return 0;
}
