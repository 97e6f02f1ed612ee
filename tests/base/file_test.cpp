#include "minibuild/base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "minibuild/base/error.h"
#include "minibuild/base/file_system.h"
#include "minibuild/base/wait.h"

namespace minibuild::base {
namespace {

class Files : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = testing::TempDir() + "/minibuild-files";
    remove_tree(directory_);
    make_directories(directory_);
  }
  size_t count() const {
    size_t n = 0;
    FILE* pipe = ::popen(("ls -A " + directory_ + " | wc -l").c_str(), "r");
    EXPECT_EQ(std::fscanf(pipe, "%zu", &n), 1);
    ::pclose(pipe);
    return n;
  }
  std::string directory_;
};

TEST_F(Files, AnAtomicFileIsThereWholeOrNotAtAll) {
  {
    AtomicFile file(directory_ + "/x");
    file.write("half");
    EXPECT_FALSE(exists(directory_ + "/x"));
  }
  EXPECT_EQ(count(), 0U);
  const mode_t before = ::umask(077);
  write_file_atomic(directory_ + "/x", "whole", 0640);
  ::umask(before);
  EXPECT_EQ(read_file(directory_ + "/x"), "whole");
  struct stat st {};
  ASSERT_TRUE(lstat_path(directory_ + "/x", st));
  EXPECT_EQ(st.st_mode & 07777U, 0640U);  // whatever the umask is
  EXPECT_THROW(AtomicFile(directory_ + "/none/x"), Error);
}

std::string error_of(const std::function<void()>& task) {
  try {
    task();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST_F(Files, WhatIsNoFileIsNeitherReadNorReplaced) {
  const std::string pipe = directory_ + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const std::string no_file = ": it is a pipe, not a file";
  EXPECT_EQ(error_of([&] { read_file(pipe); }), "cannot open " + pipe + no_file);
  EXPECT_EQ(error_of([&] { open_file(pipe); }), "cannot open " + pipe + no_file);
  EXPECT_EQ(error_of([&] { write_file_atomic(pipe, "x"); }),
            "cannot write " + pipe + no_file + "; name a file");
  EXPECT_EQ(error_of([] { read_file("/dev/zero"); }), "cannot open /dev/zero: it is a device, not a file");
  EXPECT_EQ(read_file("/dev/null"), "");
  EXPECT_NE(error_of([&] { read_file(directory_); }), "");
  // A descriptor that the caller gives is read to its end, as `<(command)` of a shell.
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const Fd reader(ends[0]);
  {
    const Fd writer(ends[1]);
    write_all(writer.get(), "from a pipe", "a pipe");
  }
  EXPECT_EQ(read_file(fmt::format("/dev/fd/{}", reader.get())), "from a pipe");
}

TEST_F(Files, AWaitEndsWhenTheUserWantsIt) {
  const std::string path = directory_ + "/lock";
  const FileLock held(path, FileLock::Mode::exclusive);
  std::atomic<bool> cancelled = false;
  std::string told;
  set_waits({&cancelled, [&](const std::string& text) {
               told = text;
               cancelled = true;
             }});
  for (const auto mode : {FileLock::Mode::shared, FileLock::Mode::exclusive}) {
    cancelled = false;
    EXPECT_THROW({ const FileLock second(path, mode); }, Interrupted);
    EXPECT_EQ(told, "waiting for another minibuild, which holds the lock on " + path);
  }
  const FileLock byte(path, uint64_t{7});
  cancelled = false;
  EXPECT_THROW({ const FileLock second(path, uint64_t{7}); }, Interrupted);
  set_waits({});
}

TEST_F(Files, RenamesReplaceNothingAndPlacesAreExchanged) {
  make_directories(directory_ + "/a");
  make_directories(directory_ + "/b");
  write_file_atomic(directory_ + "/a/x", "x");
  EXPECT_FALSE(rename_new(directory_ + "/a", directory_ + "/b"));
  exchange(directory_ + "/a", directory_ + "/b");
  EXPECT_TRUE(exists(directory_ + "/b/x"));
  EXPECT_TRUE(is_directory(directory_ + "/a"));
  EXPECT_TRUE(rename_new(directory_ + "/b", directory_ + "/c"));
  EXPECT_TRUE(exists(directory_ + "/c/x"));
}

TEST_F(Files, LeftoversOfTheDeadAreRemovedAndOfTheLivingKept) {
  const pid_t child = ::fork();
  if (child == 0) {
    AtomicFile* leaked = new AtomicFile(directory_ + "/dead");
    leaked->write("x");
    new TemporaryDirectory(directory_, "dead");
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(count(), 2U);
  AtomicFile living(directory_ + "/living");
  remove_stale_temporaries(directory_);
  EXPECT_EQ(count(), 1U);
  living.commit();
  EXPECT_TRUE(exists(directory_ + "/living"));
}

TEST_F(Files, RemoveTreeFollowsNoLinksAndOpensWhatIsClosed) {
  make_directories(directory_ + "/t/closed");
  write_file_atomic(directory_ + "/outside", "stays");
  write_file_atomic(directory_ + "/t/closed/file", "x");
  ASSERT_EQ(::symlink("../outside", (directory_ + "/t/link").c_str()), 0);
  ASSERT_EQ(::symlink("..", (directory_ + "/t/up").c_str()), 0);
  ::chmod((directory_ + "/t/closed").c_str(), 0);
  remove_tree(directory_ + "/t");
  EXPECT_FALSE(exists(directory_ + "/t"));
  EXPECT_EQ(read_file(directory_ + "/outside"), "stays");
}

TEST_F(Files, RemoveTreeNeedsFewDescriptorsForADeepTree) {
  make_directories(directory_ + "/deep");
  Fd at(::open((directory_ + "/deep").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (int i = 0; i < 3000; ++i) {
    ASSERT_EQ(::mkdirat(at.get(), "d", 0700), 0);
    at = Fd(::openat(at.get(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  at = Fd();
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{256, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  EXPECT_NO_THROW(remove_tree(directory_ + "/deep"));
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_FALSE(exists(directory_ + "/deep"));
}

TEST_F(Files, ReadsHaveLimits) {
  write_file_atomic(directory_ + "/x", "12345");
  EXPECT_EQ(read_file(directory_ + "/x", 5), "12345");
  EXPECT_THROW(read_file(directory_ + "/x", 4), Error);
  const Fd fd = open_file(directory_ + "/x");
  std::string buffer(3, ' ');
  read_at(fd.get(), buffer, 2, "x");
  EXPECT_EQ(buffer, "345");
  EXPECT_THROW(read_at(fd.get(), buffer, 3, "x"), Error);
}

}  // namespace
}  // namespace minibuild::base
