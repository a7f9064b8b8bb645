#include "data/groups.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "data/test_files.h"

namespace equipoise::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

/// Attributes whose names hold the letter that crosses attributes.
ImageSet people() {
  ImageSet set = tiny_set({2, 2});
  set.attributes["sex"] = {{"Female", "Male"}, indices({0, 1, 0, 1})};
  set.attributes["race"] = {{"Black", "White"}, indices({0, 0, 1, 1})};
  return set;
}

Grouping grouping(const std::vector<std::string>& names, const std::vector<int64_t>& codes) {
  return {{"class"}, names, indices(codes), {}};
}

TEST(GroupImages, RefusesImagesWithoutAValue) {
  ImageSet set = people();
  set.attributes["race"].values[1] = "";
  EXPECT_THAT(
      [&] {
        group_images(set, {"sex", "race"});
      },
      ThrowsMessage<DataError>(AllOf(HasSubstr("no value of 'race'"),
                                     HasSubstr("2 of 4 without one, the first img2"))));
  EXPECT_EQ(group_images(set, {"sex"}).num_groups(), 2);
}

TEST(CrossedAttributes, TellsNamesFromTheCross) {
  const ImageSet set = people();
  EXPECT_THAT(crossed_attributes("sex", set), ElementsAre("sex"));
  EXPECT_THAT(crossed_attributes("racexsex", set), ElementsAre("race", "sex"));
  EXPECT_THAT(crossed_attributes("sexxracexclass", set), ElementsAre("sex", "race", "class"));
}

TEST(CrossedAttributes, OffersTheNearestOfTheKnownOnes) {
  for (const char* text : {"rac", "sexxrac", "racex", "xrace", ""})
    EXPECT_THROW(crossed_attributes(text, people()), UsageError) << text;
  EXPECT_THAT([] { crossed_attributes("rase", people()); },
              ThrowsMessage<UsageError>(
                  AllOf(HasSubstr("class"), HasSubstr("sex"), HasSubstr("Did you mean 'race'?"))));
}

TEST(ShareGroups, JoinsGroupsByNameAndKeepsTheFirstOnesOrder) {
  const SharedGroups shared = share_groups(grouping({"cat", "dog", "ant"}, {2, 0, 1}),
                                           grouping({"ant", "bee", "cat"}, {0, 1, 2, 2}));
  EXPECT_THAT(shared.names, ElementsAre("cat", "dog", "ant", "bee"));
  EXPECT_TRUE(at::equal(shared.first_codes, indices({2, 0, 1})));
  EXPECT_TRUE(at::equal(shared.second_codes, indices({2, 3, 0, 0})));
}

TEST(ShareGroups, TakesNumbersForTheFirstOnesGroups) {
  const SharedGroups shared =
      share_groups(grouping({"cat", "dog", "ant"}, {0, 1, 2}), grouping({"0", "1"}, {1, 0}));
  EXPECT_THAT(shared.names, ElementsAre("cat", "dog", "ant"));
  EXPECT_TRUE(at::equal(shared.second_codes, indices({1, 0})));
}

TEST(ShareGroups, NamesTheFirstOnesNumbersWhereBothHaveAsMany) {
  const SharedGroups shared =
      share_groups(grouping({"0", "1"}, {1, 0}), grouping({"dog", "cat"}, {0, 1}));
  EXPECT_THAT(shared.names, ElementsAre("dog", "cat"));
  EXPECT_TRUE(at::equal(shared.first_codes, indices({1, 0})));
  EXPECT_TRUE(at::equal(shared.second_codes, indices({0, 1})));
}

TEST(ShareGroups, KeepsNumbersBeyondTheFirstOnesGroupsApart) {
  const SharedGroups shared = share_groups(grouping({"cat"}, {0, 0}), grouping({"0", "1"}, {0, 1}));
  EXPECT_THAT(shared.names, ElementsAre("cat", "0", "1"));
  EXPECT_TRUE(at::equal(shared.second_codes, indices({1, 2})));
}

}  // namespace
}  // namespace equipoise::data
