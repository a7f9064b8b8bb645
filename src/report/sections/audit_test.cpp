// What the page says of models that were asked.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/sections.h"

namespace equipoise::report {
namespace {

using testing::HasSubstr;
using testing::Not;

/// The page about one method whose numbers were made as `recipes` say.
std::string page_of(const std::vector<std::string>& recipes) {
  Json numbers = Json::array();
  for (const std::string& recipe : recipes)
    numbers.push_back({{"name", "accuracy"},
                       {"value", 0.75},
                       {"low", 0.5},
                       {"high", 0.875},
                       {"recipe", recipe},
                       {"not_said", "Nothing of other images."}});
  const Json audit{{"attribute", "gender"},
                   {"num_images", 40},
                   {"prompts", {{{"value", "Female"}, {"prompt", "woman"}}}},
                   {"neutral", "person"},
                   {"methods", {{"elbo", {{"forward_passes", 16}, {"numbers", numbers}}}}}};
  return audit_section({{"methods", {{{"name", "m"}, {"audit", audit}}}}}).body.str();
}

TEST(AuditSection, ShowsEveryNumberWithItsIntervalAndWhatItDoesNotSay) {
  const std::string page = page_of({"40 images"});
  for (const char* part : {"0.750 (0.500–0.875)", "Nothing of other images.",
                           "Made from 40 images.", "“woman” for Female", "neutral: “person”"})
    EXPECT_THAT(page, HasSubstr(part));
  EXPECT_THAT(page, Not(HasSubstr("How it was made")));
}

TEST(AuditSection, SaysOnceWhatRecipesShare) {
  const std::string page = page_of({"40 images, seed 0, all pairs", "40 images, seed 0",
                                    "40 images, seed 0, all pairs and draws"});
  EXPECT_THAT(page, HasSubstr("Made from 40 images, seed 0."));
  EXPECT_THAT(page, HasSubstr("How it was made"));
  EXPECT_THAT(page, HasSubstr(">all pairs<"));
  EXPECT_THAT(page, HasSubstr(">all pairs and draws<"));
}

TEST(AuditSection, RecipesWithoutACommonBeginningStandByTheirNumbers) {
  const std::string page = page_of({"40 images", "50 images"});
  EXPECT_THAT(page, Not(HasSubstr("Made from")));
  EXPECT_THAT(page, HasSubstr(">50 images<"));
}

}  // namespace
}  // namespace equipoise::report
