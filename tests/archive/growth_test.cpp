// What compressed input may become, whatever made it: the bombs are by the compressors' own programs.
#include <gtest/gtest.h>

#include <cstdlib>

#include "minibuild/archive/growth.h"
#include "minibuild/archive/unpack.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file.h"

namespace minibuild::archive {
namespace {

class CountingSink : public base::Sink {
 public:
  void write(std::string_view bytes) override { size += bytes.size(); }
  uint64_t size = 0;
};

class Growing : public testing::Test {
 protected:
  void make(const std::string& command) {
    ASSERT_EQ(std::system(("cd " + directory_.path() + " && " + command).c_str()), 0) << command;
  }
  // What is said of the file's content, read as layers, packages and indexes are; empty if nothing.
  std::string said_of(const std::string& name) {
    const std::string path = directory_.path() + "/" + name;
    const base::Fd fd = base::open_file(path);
    base::FdSource source(fd.get(), path);
    sink_.size = 0;
    try {
      base::copy(*decompress_any(source, name), sink_);
    } catch (const base::Error& error) {
      return error.what();
    }
    return {};
  }
  std::string said_of_archive(const std::string& name) {
    sink_.size = 0;
    try {
      unpack(directory_.path() + "/" + name, sink_, name);
    } catch (const base::Error& error) {
      return error.what();
    }
    return {};
  }

  const base::TemporaryDirectory directory_{"/tmp", "growth"};
  CountingSink sink_;
};

const std::string bomb = "this looks like a decompression bomb";

TEST_F(Growing, EveryCompressorHasTheSameLimit) {
  for (const char* compressor : {"gzip", "zstd -q -1", "xz -0", "lzma -0", "bzip2 -1"}) {
    make(std::string("head -c 160M /dev/zero | ") + compressor + " > bomb");
    EXPECT_NE(said_of("bomb").find(bomb), std::string::npos) << compressor;
    EXPECT_LT(sink_.size, free_growth + (uint64_t{64} << 20)) << compressor;
  }
}

TEST_F(Growing, ManyMembersAreOneStream) {
  make("head -c 2M /dev/zero | gzip > one; for i in $(seq 80); do cat one; done > bomb");
  EXPECT_NE(said_of("bomb").find(bomb), std::string::npos);
}

TEST_F(Growing, ArchivesHaveItToo) {
  make("mkdir d && head -c 200M /dev/zero > d/zeros");
  for (const char* command :
       {"tar cf - d | gzip > bomb", "tar cf - d | xz -0 > bomb", "tar cf - d | zstd -q > bomb",
        "tar cf - d | gzip | gzip > bomb", "rm -f bomb && bsdtar --format zip -cf bomb d"}) {
    make(command);
    EXPECT_NE(said_of_archive("bomb").find(bomb), std::string::npos) << command;
    EXPECT_LT(sink_.size, free_growth + (uint64_t{64} << 20)) << command;
  }
}

TEST_F(Growing, WhatIsUsualPasses) {
  // Zeros up to the free amount; beyond it as long as other content carries them.
  make("head -c 120M /dev/zero | zstd -q > zeros");
  EXPECT_EQ(said_of("zeros"), "");
  EXPECT_EQ(sink_.size, uint64_t{120} << 20);
  make("(head -c 1M /dev/urandom; head -c 160M /dev/zero) | gzip > mixed");
  EXPECT_EQ(said_of("mixed"), "");
  EXPECT_EQ(sink_.size, uint64_t{161} << 20);
}

}  // namespace
}  // namespace minibuild::archive
