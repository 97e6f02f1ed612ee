#include "builder/sandbox/fill.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "minibuild/archive/tar.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file.h"

namespace minibuild::sandbox {
namespace {

class StringSink : public base::Sink {
 public:
  void write(std::string_view bytes) override { text += bytes; }
  std::string text;
};

std::string padded(const std::string& content) {
  return content + std::string(archive::tar_padding(content.size()), '\0');
}

tree::Node file(const std::string& content, uint32_t mode = 0644) {
  return tree::file_node(tree::inline_content(content), 1000, mode);
}

const std::string tar_end(archive::tar_end_size, '\0');

class Fill : public testing::Test {
 protected:
  void SetUp() override {
    base::remove_tree(directory_);
    base::make_directories(directory_ + "/root");
    root_ = base::Fd(::open((directory_ + "/root").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  void unpack(const std::string& tar) {
    base::MemorySource source(tar);
    unpack_tree(source, root_.get());
  }
  std::string pack() const {
    StringSink sink;
    pack_tree(root_.get(), sink);
    return sink.text;
  }
  tree::Node owned(tree::Node node) const {
    node.uid = ::getuid();
    node.gid = ::getgid();
    return node;
  }
  const std::string directory_ = testing::TempDir() + "/minibuild-fill";
  base::Fd root_;
};

TEST_F(Fill, WhatIsPackedIsWhatWasUnpacked) {
  // Directories that nobody may write to are filled all the same, and keep their times.
  const std::string long_name(150, 'n');
  const tree::Node first = owned(file("hello", 0640));
  const std::string tar = archive::tar_header("d", owned(tree::directory_node(5000, 0555))) +
                          archive::tar_header("d/l", owned(tree::symlink_node("../../outside", 7))) +
                          archive::tar_header("d/" + long_name, first) + padded("hello") +
                          archive::tar_header("d/z", first, "d/" + long_name) +
                          archive::tar_header("empty", owned(file("", 04755))) + tar_end;
  unpack(tar);
  EXPECT_TRUE(pack() == tar);
  struct stat st {};
  ASSERT_TRUE(base::lstat_path(directory_ + "/root/d/z", st));
  EXPECT_EQ(st.st_nlink, 2U);
}

TEST_F(Fill, NothingIsMadeThroughALink) {
  base::make_directories(directory_ + "/outside");
  for (const std::string& target : {std::string("../outside"), directory_ + "/outside"}) {
    const std::string link = archive::tar_header("out", owned(tree::symlink_node(target, 0)));
    const std::string below = archive::tar_header("out/file", owned(file("x"))) + padded("x") + tar_end;
    EXPECT_THROW(unpack(link + below), base::Error);
    EXPECT_FALSE(base::exists(directory_ + "/outside/file"));
    base::remove_tree(directory_ + "/root/out");
  }
}

TEST_F(Fill, NoHardLinkLeadsOutside) {
  base::make_directories(directory_ + "/outside");
  base::write_file_atomic(directory_ + "/outside/file", "x");
  const std::string link = archive::tar_header("out", owned(tree::symlink_node("../outside", 0)));
  EXPECT_THROW(unpack(link + archive::tar_header("hard", owned(file("")), "out/file") + tar_end),
               base::Error);
  EXPECT_FALSE(base::exists(directory_ + "/root/hard"));
}

TEST_F(Fill, SocketsAreLeftOutAndFifosAreNotOpened) {
  const base::Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_EQ(::fchdir(root_.get()), 0);
  std::snprintf(address.sun_path, sizeof address.sun_path, "s");
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::mkfifo("pipe", 0600), 0);
  ASSERT_EQ(::chdir("/"), 0);
  tree::Node fifo;
  fifo.type = tree::NodeType::fifo;
  fifo.mode = 0600;
  struct stat st {};
  ASSERT_TRUE(base::lstat_path(directory_ + "/root/pipe", st));
  fifo.mtime = st.st_mtim.tv_sec;
  EXPECT_EQ(pack(), archive::tar_header("pipe", owned(fifo)) + tar_end);
}

TEST_F(Fill, ADeepDirectoryIsRefusedNotFollowedForEver) {
  base::Fd at(::dup(root_.get()));
  for (int i = 0; i < 1100; ++i) {
    ASSERT_EQ(::mkdirat(at.get(), "d", 0700), 0);
    at = base::Fd(::openat(at.get(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  EXPECT_THROW(pack(), base::Error);
}

}  // namespace
}  // namespace minibuild::sandbox
