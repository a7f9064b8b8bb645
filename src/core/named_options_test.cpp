#include "core/named_options.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace equipoise {
namespace {

using nlohmann::json;

TEST(NamedOptions, ReadsNumbersTextAndFlags) {
  EXPECT_EQ(
      parse_named_options("discriminator:weight=2,boost=true,schedule=0.1:0/1:1", "test"),
      json({{"type", "discriminator"}, {"weight", 2}, {"boost", true}, {"schedule", "0.1:0/1:1"}}));
  EXPECT_EQ(parse_named_options("heun", "test"), json({{"type", "heun"}}));
  EXPECT_EQ(parse_options("", "test"), json::object());
}

TEST(NamedOptions, RefusesWhatHasNoValue) {
  EXPECT_THROW(parse_options("weight", "test"), UsageError);
  EXPECT_THROW(parse_options("=3", "test"), UsageError);
}

TEST(NamedOptions, TextAndObjectAreTheSame) {
  const json named{{"type", "minority"}, {"scale", 3.5}, {"schedule", "1:0/2:1"}, {"boost", false}};
  EXPECT_EQ(parse_named_options(named_options_text(named), "test"), named);
  EXPECT_EQ(named_options_text({{"type", "heun"}}), "heun");
}

TEST(NamedOptions, GivesBackOptionsWithoutTheName) {
  EXPECT_EQ(options_of({{"type", "heun"}, {"steps", 3}}), json({{"steps", 3}}));
}

}  // namespace
}  // namespace equipoise
