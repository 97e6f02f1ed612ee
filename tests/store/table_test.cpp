#include "builder/store/table.h"

#include <gtest/gtest.h>

#include "minibuild/base/file.h"

namespace minibuild::store {
namespace {

base::Hash key(int n) { return base::sha256(std::to_string(n)); }

class Tables : public testing::Test {
 protected:
  void SetUp() override {
    base::remove_tree(path_);
    base::make_directories(base::parent_path(path_));
  }
  const std::string path_ = testing::TempDir() + "/minibuild-table";
};

TEST_F(Tables, EntriesAreFoundAgainAfterSaving) {
  {
    Table table(path_);
    for (int i = 0; i < 1000; ++i) table.insert(key(i), {key(-i), static_cast<uint32_t>(i)});
    EXPECT_EQ(table.find(key(7))->number, 7U);
    table.save(2000);
  }
  const Table table(path_);
  for (int i = 0; i < 1000; ++i) {
    const auto found = table.find(key(i));
    ASSERT_TRUE(found) << i;
    EXPECT_EQ(found->hash, key(-i));
    EXPECT_EQ(found->number, static_cast<uint32_t>(i));
  }
  EXPECT_FALSE(table.find(key(1000)));
}

TEST_F(Tables, WhatOthersSavedMeanwhileStays) {
  Table one(path_);
  Table other(path_);
  one.insert(key(1), {key(10), 1});
  other.insert(key(2), {key(20), 2});
  one.save(10);
  other.save(10);
  const Table both(path_);
  EXPECT_TRUE(both.find(key(1)));
  EXPECT_TRUE(both.find(key(2)));
}

TEST_F(Tables, TheSmallestNumbersGoFirst) {
  Table table(path_);
  for (int i = 0; i < 100; ++i) table.insert(key(i), {key(0), static_cast<uint32_t>(i)});
  table.save(10);
  const Table saved(path_);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(saved.find(key(i)).has_value(), i >= 90) << i;
}

TEST_F(Tables, ADamagedFileIsAnEmptyTable) {
  Table table(path_);
  table.insert(key(1), {key(2), 3});
  table.save(10);
  const std::string good = base::read_file(path_);
  for (const std::string& bad :
       {std::string(), good.substr(0, good.size() - 1), good.substr(0, 10), "x" + good.substr(1)}) {
    base::write_file_atomic(path_, bad);
    Table damaged(path_);
    EXPECT_FALSE(damaged.find(key(1))) << bad.size();
    damaged.insert(key(5), {key(6), 7});
    damaged.save(10);
    EXPECT_EQ(Table(path_).find(key(5))->hash, key(6));
  }
  base::remove_tree(path_);
  base::make_directories(path_);  // somebody's directory in the place of the file
  EXPECT_FALSE(Table(path_).find(key(1)));
}

}  // namespace
}  // namespace minibuild::store
