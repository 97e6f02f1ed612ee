#include "minibuild/base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "minibuild/base/error.h"

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
