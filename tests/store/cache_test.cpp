#include "minibuild/store/cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "minibuild/base/error.h"

namespace minibuild::store {
namespace {

class Caches : public testing::Test {
 protected:
  void SetUp() override { base::remove_tree(directory_); }

  static oci::Digest put(Cache& cache, const std::string& bytes) {
    base::MemorySource source(bytes);
    return cache.put_blob(source, std::nullopt, "a test");
  }
  static void age(const std::string& path, int64_t days) {
    timespec times[2] = {};
    times[0].tv_sec = times[1].tv_sec = ::time(nullptr) - days * 86400;
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }
  std::string result_file(const base::Hash& key) const {
    const std::string hex = base::to_hex(key);
    return directory_ + "/results/" + hex.substr(0, 2) + "/" + hex;
  }
  // Damages one byte in the middle and leaves the times as they were.
  static void damage(const std::string& path) {
    struct stat st {};
    ASSERT_EQ(::stat(path.c_str(), &st), 0);
    ::chmod(path.c_str(), 0644);
    std::string bytes = base::read_file(path);
    const base::Fd fd(::open(path.c_str(), O_WRONLY));
    const char changed = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    ASSERT_EQ(::pwrite(fd.get(), &changed, 1, static_cast<off_t>(bytes.size() / 2)), 1);
    const timespec times[2] = {st.st_atim, st.st_mtim};
    ASSERT_EQ(::futimens(fd.get(), times), 0);
  }
  const std::string directory_ = testing::TempDir() + "/minibuild-cache";
};

TEST_F(Caches, ABlobIsKeptUnderItsDigest) {
  Cache cache(directory_);
  const oci::Digest digest = put(cache, "hello");
  // printf hello | sha256sum
  EXPECT_EQ(oci::to_string(digest),
            "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
  ASSERT_TRUE(cache.find_blob(digest));
  EXPECT_EQ(base::read_file(*cache.find_blob(digest)), "hello");
  EXPECT_FALSE(cache.find_blob({base::sha256("other")}));
}

TEST_F(Caches, EachBlobHasALockOfItsOwn) {
  const Cache cache(directory_);
  const oci::Digest one{base::sha256("one")};
  oci::Digest like = one;
  like.hash[7] ^= 4;  // what a byte of the lock file is made of ends here
  std::optional<base::FileLock> held(cache.lock_blob(one));
  const base::FileLock other = cache.lock_blob(like);
  std::atomic<bool> mine = false;
  std::jthread waiting([&] {
    const base::FileLock lock = cache.lock_blob(one);
    mine = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_FALSE(mine);
  held.reset();
  waiting.join();
  EXPECT_TRUE(mine);
}

TEST_F(Caches, WrongBytesAreNotKept) {
  Cache cache(directory_);
  const oci::Digest want{base::sha256("expected")};
  base::MemorySource source("something else");
  EXPECT_THROW(cache.put_blob(source, want, "a test"), base::Error);
  EXPECT_FALSE(base::exists(cache.blob_path(want)));
  EXPECT_FALSE(base::exists(cache.blob_path({base::sha256("something else")})));
}

TEST_F(Caches, ADamagedBlobIsMissingEvenWithItsOldTimes) {
  const std::string bytes(size_t{5} << 20, 'x');
  oci::Digest digest;
  {
    Cache cache(directory_);
    digest = put(cache, bytes);
    cache.note_file_digest(cache.blob_path(digest), digest);
    EXPECT_TRUE(cache.find_blob(digest));
    cache.save();
  }
  damage(directory_ + "/blobs/sha256/" + oci::hex(digest));
  Cache cache(directory_);
  EXPECT_FALSE(cache.find_blob(digest));
  EXPECT_FALSE(base::exists(cache.blob_path(digest)));  // so that the next build can put it there
}

TEST_F(Caches, ALinkIsNoBlob) {
  Cache cache(directory_);
  base::write_file_atomic(directory_ + "/outside", "hello");
  const oci::Digest digest{base::sha256("hello")};
  ASSERT_EQ(::symlink((directory_ + "/outside").c_str(), cache.blob_path(digest).c_str()), 0);
  EXPECT_FALSE(cache.find_blob(digest));
  EXPECT_EQ(base::read_file(directory_ + "/outside"), "hello");
}

TEST_F(Caches, AResultNeedsItsBlobs) {
  Cache cache(directory_);
  const oci::Digest digest = put(cache, "layer");
  const base::Hash key = base::sha256("key");
  EXPECT_FALSE(cache.find_result(key));
  cache.put_result(key, {"stage", "line 1\n\nline 3", {digest}});
  const auto found = cache.find_result(key);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->kind, "stage");
  EXPECT_EQ(found->value, "line 1\n\nline 3");
  EXPECT_EQ(found->blobs, std::vector<oci::Digest>{digest});
  base::remove_tree(cache.blob_path(digest));
  EXPECT_FALSE(cache.find_result(key));
  EXPECT_FALSE(base::exists(result_file(key)));
}

TEST_F(Caches, ADamagedResultIsMissing) {
  Cache cache(directory_);
  const base::Hash key = base::sha256("key");
  for (const size_t length : {size_t{0}, size_t{5}, size_t{40}, size_t{90}}) {
    cache.put_result(key, {"stage", "value", {}});
    const std::string good = base::read_file(result_file(key));
    base::write_file_atomic(result_file(key), good.substr(0, length));
    ASSERT_LT(length, good.size());
    EXPECT_FALSE(cache.find_result(key)) << length;
  }
  cache.put_result(key, {"stage", "value", {}});
  damage(result_file(key));
  EXPECT_FALSE(cache.find_result(key));
}

TEST_F(Caches, AFreshCacheFindsNothingButKeeps) {
  const base::Hash key = base::sha256("key");
  Cache(directory_).put_result(key, {"stage", "old", {}});
  Cache fresh(directory_, true);
  EXPECT_FALSE(fresh.find_result(key));
  fresh.put_result(key, {"stage", "new", {}});
  EXPECT_EQ(Cache(directory_).find_result(key)->value, "new");
}

TEST_F(Caches, HashesOfFilesThatChangedAMomentAgoAreNotRemembered) {
  base::make_directories(directory_);
  const std::string path = directory_ + "/file";
  const auto content = [&path] {
    struct stat st {};
    ::stat(path.c_str(), &st);
    return tree::Content{tree::DiskFile{path, base::stamp_of(st)}, static_cast<uint64_t>(st.st_size)};
  };
  base::write_file_atomic(path, "12345");
  const base::Hash hash = base::sha256("12345");
  {
    Cache cache(directory_);
    cache.remember_hash(content(), 0, 5, hash);
    EXPECT_EQ(cache.known_hash(content(), 0, 5), hash);  // in this build
    cache.save();
  }
  EXPECT_FALSE(Cache(directory_).known_hash(content(), 0, 5));
  ::usleep(2'060'000);
  {
    Cache cache(directory_);
    cache.remember_hash(content(), 0, 5, hash);
    cache.save();
  }
  EXPECT_FALSE(Cache(directory_, true).known_hash(content(), 0, 5));  // whoever wants all anew
  EXPECT_EQ(Cache(directory_).known_hash(content(), 0, 5), hash);
  EXPECT_FALSE(Cache(directory_).known_hash(content(), 0, 4));
  base::write_file_atomic(path, "54321");  // the same size, another inode and time
  EXPECT_FALSE(Cache(directory_).known_hash(content(), 0, 5));
}

TEST_F(Caches, CollectingDropsWhatWasUnusedForLongest) {
  Cache cache(directory_);
  const oci::Digest shared = put(cache, std::string(1000, 's'));
  const oci::Digest old = put(cache, std::string(50'000, 'o'));
  const oci::Digest recent = put(cache, std::string(50'000, 'r'));
  const oci::Digest orphan = put(cache, "nobody needs this");
  cache.put_result(base::sha256("old"), {"layer", "", {shared, old}});
  cache.put_result(base::sha256("recent"), {"layer", "", {shared, recent}});
  age(result_file(base::sha256("old")), 3);
  age(result_file(base::sha256("recent")), 1);
  const GcReport report = cache.collect(80'000);
  EXPECT_FALSE(cache.find_result(base::sha256("old")));
  EXPECT_TRUE(cache.find_result(base::sha256("recent")));
  EXPECT_TRUE(cache.find_blob(shared));
  EXPECT_FALSE(cache.find_blob(old));
  EXPECT_FALSE(cache.find_blob(orphan));
  EXPECT_EQ(report.removed, 3U);
  EXPECT_LE(report.kept, 80'000U);
  EXPECT_EQ(cache.collect(80'000).removed, 0U);
  cache.collect(0);
  EXPECT_TRUE(cache.list().empty());
}

TEST_F(Caches, ItStaysWithinItsLimitByItself) {
  const auto fill = [&](const std::string& name, size_t size) {
    Cache cache(directory_);
    cache.put_result(base::sha256(name), {"layer", "", {put(cache, std::string(size, name[0]))}});
    return cache.keep_within(1'000'000);
  };
  EXPECT_FALSE(fill("a", 500'000));
  age(result_file(base::sha256("a")), 3);
  EXPECT_NEAR(static_cast<double>(Cache(directory_).use().used), 500'000, 100'000);
  EXPECT_EQ(Cache(directory_).use().collected, 0);
  EXPECT_FALSE(fill("b", 300'000));
  // Nothing was added: nothing is looked at, and the note stays as it is.
  struct stat before {};
  struct stat after {};
  ASSERT_TRUE(base::lstat_path(directory_ + "/tables/use", before));
  EXPECT_FALSE(Cache(directory_).keep_within(1'000'000));
  ASSERT_TRUE(base::lstat_path(directory_ + "/tables/use", after));
  EXPECT_EQ(before.st_ino, after.st_ino);
  {
    // Another uses it: left to the next.
    const Cache other(directory_);
    EXPECT_FALSE(fill("c", 400'000));
    EXPECT_TRUE(base::exists(result_file(base::sha256("a"))));
  }
  const auto report = fill("d", 100'000);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->removed, 2U);  // the result that was not used for longest, and its blob
  EXPECT_LE(report->kept, 900'000U);
  Cache cache(directory_);
  EXPECT_FALSE(cache.find_result(base::sha256("a")));
  for (const char* name : {"b", "c", "d"}) EXPECT_TRUE(cache.find_result(base::sha256(name)));
  EXPECT_GT(cache.use().collected, 0);
  // A file with holes takes what it takes on disk; what stages keep counts.
  const std::string mount = cache.mount_path("x");
  base::make_directories(mount);
  ASSERT_TRUE(cache.try_lock_mount(base::sha256("x")));  // used
  base::write_file_atomic(mount + "/holes", "");
  ASSERT_EQ(::truncate((mount + "/holes").c_str(), 1L << 40), 0);
  EXPECT_FALSE(cache.keep_within(1'000'000));
  ASSERT_TRUE(cache.try_lock_mount(base::sha256("x")));
  base::write_file_atomic(mount + "/full", std::string(2'000'000, 'x'));
  age(mount, 5);
  ASSERT_TRUE(cache.keep_within(1'000'000));
  EXPECT_FALSE(base::exists(mount));
  EXPECT_TRUE(cache.find_result(base::sha256("d")));
}

TEST_F(Caches, SeveralWritersDoNotDisturbEachOther) {
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([this] {
      Cache cache(directory_);
      for (int i = 0; i < 50; ++i) {
        const std::string bytes = "blob " + std::to_string(i);
        const oci::Digest digest = put(cache, bytes);
        cache.put_result(base::sha256(bytes), {"layer", bytes, {digest}});
        const auto found = cache.find_result(base::sha256(bytes));
        ASSERT_TRUE(found);
        EXPECT_EQ(found->value, bytes);
      }
      cache.save();
    });
  threads.clear();
  EXPECT_EQ(Cache(directory_).list().size(), 50U);
}

TEST_F(Caches, TheNameOfAKeptDirectoryLeadsNowhereElse) {
  Cache cache(directory_);
  const std::string path = cache.mount_path("../../../etc");
  EXPECT_EQ(base::parent_path(path), directory_ + "/mounts");
  EXPECT_NE(path, cache.mount_path("../../etc"));
}

}  // namespace
}  // namespace minibuild::store
