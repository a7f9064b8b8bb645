#include "core/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/registry.h"

namespace equipoise {
namespace {

using testing::HasSubstr;

TEST(Error, ReadsAsOneSentenceWithAHint) {
  const DataError error({.where = "a.npz",
                         .what = "no images",
                         .got = "0",
                         .expected = "at least 1",
                         .hint = "Try another"});
  EXPECT_STREQ(error.what(), "[a.npz] no images: got 0, expected at least 1. Try another.");
  EXPECT_EQ(error.exit_code(), 3);
  EXPECT_EQ(error.to_json()["where"], "a.npz");
}

TEST(Error, KindsHaveTheirExitCodes) {
  EXPECT_EQ(UsageError({}).exit_code(), 2);
  EXPECT_EQ(NumericError({}).exit_code(), 4);
  EXPECT_EQ(EnvironmentError({}).exit_code(), 5);
}

TEST(CheckShape, NamesTheArgumentAndBothShapes) {
  check_shape(at::zeros({2, 3, 8, 8}), {2, kAny, 8, 8}, "images");
  try {
    check_shape(at::zeros({2, 1, 8, 8}), {kAny, 3, 8, 8}, "images");
    FAIL() << "no error";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(),
                HasSubstr("[images] wrong shape: got [2, 1, 8, 8] Float, expected [any, 3, 8, 8]"));
  }
}

TEST(CheckFinite, SaysHowManyAndWhere) {
  at::Tensor x = at::zeros({2, 2});
  check_finite(x, "loss");
  x[1][0] = std::numeric_limits<float>::quiet_NaN();
  try {
    check_finite(x, "loss");
    FAIL() << "no error";
  } catch (const NumericError& error) {
    EXPECT_THAT(error.what(), HasSubstr("1 of 4, the first at element 2"));
  }
}

TEST(CheckRange, RefusesNan) {
  EXPECT_THROW(check_range(std::numeric_limits<double>::quiet_NaN(), 0, 1, "p"), UsageError);
  EXPECT_NO_THROW(check_range(1, 0, 1, "p"));
}

struct Animal {
  static constexpr const char* kFamily = "animal";
};

TEST(Registry, RefusesASecondMethodOfOneNameAndOffersTheNearest) {
  Registry<Animal, int> registry;
  registry.add({"horse", "", "", ""}, 1);
  registry.add({"cow", "", "", ""}, 2);
  EXPECT_THROW(registry.add({"cow", "", "", ""}, 3), std::logic_error);
  EXPECT_EQ(registry.find("cow").make, 2);
  try {
    registry.find("hrose");
    FAIL() << "no error";
  } catch (const UsageError& error) {
    EXPECT_THAT(
        error.what(),
        HasSubstr("unknown animal 'hrose': expected one of: cow, horse. Did you mean 'horse'?"));
  }
}

}  // namespace
}  // namespace equipoise
