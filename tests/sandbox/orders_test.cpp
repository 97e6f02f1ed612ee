#include "builder/sandbox/orders.h"

#include <gtest/gtest.h>

#include "minibuild/base/error.h"

namespace minibuild::sandbox {
namespace {

Orders example() {
  Orders orders;
  orders.host_tools = true;
  orders.stage_as_root = true;
  orders.work = "/var/cache/work";
  orders.workdir = "/src";
  orders.limits = {1, 2, 3, 4};
  orders.env = {"A=1", std::string("B=two\nlines")};
  orders.commands = {{"/bin/sh", "-c", "echo"}, {}, {""}};
  orders.secrets = {{"/run/secrets/x", std::string("a\0b", 3)}};
  orders.caches = {{"/root/.cache", "/var/cache/mounts/1"}};
  return orders;
}

TEST(OrdersOnTheWire, ArriveAsTheyWereSent) {
  const Orders sent = example();
  const Orders got = read_orders(write_orders(sent));
  EXPECT_EQ(got.remove_only, sent.remove_only);
  EXPECT_EQ(got.host_tools, sent.host_tools);
  EXPECT_EQ(got.network, sent.network);
  EXPECT_EQ(got.stage_as_root, sent.stage_as_root);
  EXPECT_EQ(got.work, sent.work);
  EXPECT_EQ(got.workdir, sent.workdir);
  EXPECT_EQ(got.limits.memory, sent.limits.memory);
  EXPECT_EQ(got.limits.processes, sent.limits.processes);
  EXPECT_EQ(got.limits.disk, sent.limits.disk);
  EXPECT_EQ(got.limits.time, sent.limits.time);
  EXPECT_EQ(got.env, sent.env);
  EXPECT_EQ(got.commands, sent.commands);
  EXPECT_EQ(got.secrets, sent.secrets);
  EXPECT_EQ(got.caches, sent.caches);
}

TEST(OrdersOnTheWire, CutOffOrdersAreRefused) {
  const std::string bytes = write_orders(example());
  for (size_t n = 0; n < bytes.size(); ++n) EXPECT_THROW(read_orders(bytes.substr(0, n)), base::Error) << n;
  EXPECT_THROW(read_orders(std::string(200, '\xff')), base::Error);
}

}  // namespace
}  // namespace minibuild::sandbox
