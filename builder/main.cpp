#include "minibuild/cli/cli.h"

int main(int argc, char** argv) { return minibuild::cli::run(argc, argv); }
