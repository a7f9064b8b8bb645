#include "data/split.h"

#include <numeric>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/config.h"
#include "data/allocation.h"
#include "data/groups.h"
#include "data/split_protocol.h"
#include "data/test_files.h"

namespace equipoise::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const ReferenceConfig kNoReference{.size = 0, .balance = "balanced", .shares = {}};

ReferenceConfig reference_of(double size, const std::string& balance = "balanced") {
  return {.size = size, .balance = balance, .shares = {}};
}

SplitConfig protocol(const std::string& name) {
  SplitConfig config;
  config.protocol = name;
  return config;
}

std::vector<int64_t> counts(const ImageSet& set, const at::Tensor& chosen) {
  return group_images(set, {"class"}).count(chosen);
}

/// Two genders and two hair colours over one class.
ImageSet faces(int64_t dark_men, int64_t fair_men, int64_t dark_women, int64_t fair_women) {
  std::vector<int64_t> gender, hair;
  const auto add = [&](int64_t count, int64_t gender_code, int64_t hair_code) {
    gender.insert(gender.end(), static_cast<size_t>(count), gender_code);
    hair.insert(hair.end(), static_cast<size_t>(count), hair_code);
  };
  add(dark_men, 1, 0);
  add(fair_men, 1, 1);
  add(dark_women, 0, 0);
  add(fair_women, 0, 1);
  ImageSet set = tiny_set({dark_men + fair_men + dark_women + fair_women});
  set.attributes["gender"] = {{"Female", "Male"}, indices(gender)};
  set.attributes["hair"] = {{"dark", "fair"}, indices(hair)};
  return set;
}

TEST(Allocate, AddsUpAndGivesLargestRemaindersFirst) {
  EXPECT_THAT(allocate(10, {1, 1, 1}), ElementsAre(4, 3, 3));
  EXPECT_THAT(allocate(10, {0.5, 0.25, 0.25}), ElementsAre(5, 3, 2));
  EXPECT_THAT(allocate(7, {0.1, 0.7, 0.2}), ElementsAre(1, 5, 1));
  EXPECT_THAT(allocate(0, {0, 0}), ElementsAre(0, 0));
}

RC_GTEST_PROP(Allocate, StaysWithinOneOfTheExactShare, ()) {
  const auto weights =
      *rc::gen::nonEmpty(rc::gen::container<std::vector<int>>(rc::gen::inRange(1, 1000)));
  const auto total = *rc::gen::inRange<int64_t>(0, 10000);
  const std::vector<double> exact(weights.begin(), weights.end());
  const std::vector<int64_t> parts = allocate(total, exact);
  const double sum = std::accumulate(exact.begin(), exact.end(), 0.0);
  RC_ASSERT(std::accumulate(parts.begin(), parts.end(), int64_t{0}) == total);
  for (size_t k = 0; k < parts.size(); ++k)
    RC_ASSERT(std::abs(static_cast<double>(parts[k]) -
                       static_cast<double>(total) * exact[k] / sum) < 1.0);
}

// ---- long tail

TEST(LongTailSplit, HasThePublishedSizes) {
  const ImageSet set = tiny_set(std::vector<int64_t>(10, 5000));
  for (const auto& [imbalance, total] : {std::pair{100.0, 12406}, {200.0, 11203}, {500.0, 10011}}) {
    SplitConfig config = protocol("long-tail");
    config.imbalance = imbalance;
    EXPECT_EQ(make_split(set, config, kNoReference, 0, 0).biased.numel(), total) << imbalance;
  }
}

TEST(LongTailSplit, FallsFromFirstToLastGroup) {
  const ImageSet set = tiny_set({100, 100, 100});
  SplitConfig config = protocol("long-tail");
  config.imbalance = 4;
  EXPECT_THAT(counts(set, make_split(set, config, kNoReference, 0, 0).biased),
              ElementsAre(100, 50, 25));
}

TEST(LongTailSplit, RefusesToEmptyAGroup) {
  SplitConfig config = protocol("long-tail");
  config.imbalance = 200;
  EXPECT_THAT(error_of([&] {
                make_split(tiny_set({100, 100}), config, kNoReference, 0, 0);
              }),
              HasSubstr("group '1' would have no images in the biased set"));
  config.imbalance = 4;
  EXPECT_THAT(
      error_of([&] {
        make_split(tiny_set({100, 5, 100}), config, reference_of(3), 0, 0);
      }),
      HasSubstr(
          "group '1' has too few images for the biased set: got 4 images, expected at least 49"));
}

// ---- minority

TEST(MinoritySplit, CutsTheNamedClasses) {
  const ImageSet set = tiny_set({1000, 1000, 1000});
  SplitConfig config = protocol("minority");
  config.classes = {"2", "0"};
  config.fraction = 0.1;
  const Split split = make_split(set, config, kNoReference, 0, 0);
  EXPECT_THAT(counts(set, split.biased), ElementsAre(100, 1000, 100));
  EXPECT_EQ(split.reference.numel(), 0);
}

TEST(MinoritySplit, RefusesUnknownAndEmptiedClasses) {
  SplitConfig config = protocol("minority");
  const ImageSet set = tiny_set({10, 10});
  EXPECT_THAT(error_of([&] { make_split(set, config, kNoReference, 0, 0); }),
              HasSubstr("at least one group"));
  config.classes = {"7"};
  EXPECT_THAT(error_of([&] { make_split(set, config, kNoReference, 0, 0); }),
              HasSubstr("unknown group '7'"));
  config.classes = {"1"};
  config.fraction = 0.05;
  EXPECT_THAT(error_of([&] { make_split(set, config, kNoReference, 0, 0); }),
              HasSubstr("group '1' would have no"));
}

// ---- attribute

TEST(AttributeSplit, MakesTheShareExactAndTheSetAsLargeAsItCanBe) {
  const ImageSet set = faces(4000, 4000, 2000, 2000);
  SplitConfig config = protocol("attribute");
  config.attributes = {"gender"};
  config.classes = {"Female"};
  config.share = 0.1;
  const Split split = make_split(set, config, kNoReference, 0, 0);
  EXPECT_THAT(group_images(set, {"gender"}).count(split.biased), ElementsAre(888, 8000));
  EXPECT_THAT(split.groups, ElementsAre("Female", "Male"));
  config.num_images = 1000;
  EXPECT_THAT(
      group_images(set, {"gender"}).count(make_split(set, config, kNoReference, 0, 0).biased),
      ElementsAre(100, 900));
}

TEST(AttributeSplit, WorksOnCrossedAttributes) {
  const ImageSet set = faces(300, 100, 100, 300);
  SplitConfig config = protocol("attribute");
  config.attributes = {"gender", "hair"};
  config.classes = {"Female/dark"};
  config.share = 0.05;
  const Split split = make_split(set, config, reference_of(40), 0, 0);
  const Grouping cells = group_images(set, {"gender", "hair"});
  EXPECT_THAT(cells.names, ElementsAre("Female/dark", "Female/fair", "Male/dark", "Male/fair"));
  EXPECT_THAT(cells.count(split.reference), ElementsAre(10, 10, 10, 10));
  // 290 + 290 + 90 others are 95 %: 705 in all, 35 of them dark women.
  EXPECT_THAT(cells.count(split.biased), ElementsAre(35, 290, 290, 90));
}

TEST(AttributeSplit, RefusesWhatTheDataCannotGive) {
  const ImageSet set = faces(50, 0, 5, 0);
  SplitConfig config = protocol("attribute");
  config.attributes = {"gender"};
  config.classes = {"Female"};
  config.share = 0.5;
  config.num_images = 20;
  EXPECT_THAT(error_of([&] { make_split(set, config, kNoReference, 0, 0); }),
              HasSubstr("group 'Female' has too few images for the biased set: got 5 images, "
                        "expected at least 10"));
  config.classes = {"Female", "Male"};
  EXPECT_THAT(error_of([&] { make_split(set, config, kNoReference, 0, 0); }),
              HasSubstr("every group is named"));
  config.attributes = {"hear"};
  EXPECT_THAT(error_of([&] { make_split(set, config, kNoReference, 0, 0); }),
              HasSubstr("Did you mean 'hair'?"));
  config.attributes = {};
  EXPECT_THAT(error_of([&] { make_split(set, config, kNoReference, 0, 0); }),
              HasSubstr("no attribute is named"));
}

TEST(Grouping, LeavesOutCellsThatNoImageIsIn) {
  EXPECT_THAT(group_images(faces(2, 0, 1, 1), {"gender", "hair"}).names,
              ElementsAre("Female/dark", "Female/fair", "Male/dark"));
}

// ---- reference and held-out images

TEST(Reference, IsBalancedAndTheGivenFractionOfTheBiasedSet) {
  const ImageSet set = tiny_set({6000, 6000, 6000});
  SplitConfig config = protocol("minority");
  config.classes = {"0"};
  const Split split = make_split(set, config, reference_of(0.05), 0, 0);
  const std::vector<int64_t> reference = counts(set, split.reference);
  EXPECT_LE(*std::ranges::max_element(reference) - *std::ranges::min_element(reference), 1);
  const double allowed = 0.05 * static_cast<double>(split.biased.numel());
  EXPECT_LE(static_cast<double>(split.reference.numel()), allowed);
  EXPECT_GT(static_cast<double>(split.reference.numel()), allowed - 1.5)
      << "one more would be too many";
  EXPECT_THAT(split.target, testing::Each(testing::DoubleEq(1.0 / 3)));
}

TEST(Reference, FollowsStatedSharesOrTheDataAsTheyAre) {
  const ImageSet set = tiny_set({600, 200, 200});
  EXPECT_THAT(counts(set, make_split(set, {}, reference_of(50, "as-is"), 0, 0).reference),
              ElementsAre(30, 10, 10));
  ReferenceConfig stated{.size = 10, .balance = "shares", .shares = {0.2, 0.5, 0.3}};
  const Split split = make_split(set, {}, stated, 0, 0);
  EXPECT_THAT(counts(set, split.reference), ElementsAre(2, 5, 3));
  EXPECT_THAT(split.target, ElementsAre(0.2, 0.5, 0.3));
  stated.shares = {0.5, 0.5};
  EXPECT_THAT(error_of([&] { make_split(set, {}, stated, 0, 0); }),
              HasSubstr("3 shares with sum 1"));
}

TEST(Reference, RefusesMoreThanAGroupHas) {
  const ImageSet set = tiny_set({100, 4});
  EXPECT_THAT(
      error_of([&] { make_split(set, {}, reference_of(10), 0, 0); }),
      HasSubstr(
          "group '1' has too few images for the reference: got 4 images, expected at least 5"));
  EXPECT_THAT(error_of([&] { make_split(set, {}, reference_of(1), 0, 0); }),
              HasSubstr("group '1' would have no images in the reference"));
  EXPECT_THAT(error_of([&] { make_split(set, {}, reference_of(4), 0.5, 0); }),
              HasSubstr("group '1' would have no"));
  EXPECT_THAT(error_of([&] { make_split(set, {}, reference_of(2.5), 0, 0); }),
              HasSubstr("neither a fraction"));
}

TEST(HeldOut, TakesItsShareOfEveryGroup) {
  const ImageSet set = tiny_set({100, 40});
  const Split split = make_split(set, {}, reference_of(10), 0.25, 0);
  EXPECT_THAT(counts(set, split.heldout), ElementsAre(25, 10));
  EXPECT_THAT(counts(set, split.biased), ElementsAre(70, 25));
}

TEST(Split, WithoutLabelsIsOneGroup) {
  ImageSet set = tiny_set({50});
  set.labels = at::Tensor();
  const Split split = make_split(set, {}, reference_of(5), 0, 0);
  EXPECT_THAT(split.groups, ElementsAre("all"));
  EXPECT_EQ(split.biased.numel(), 45);
}

RC_GTEST_PROP(Split, IsDisjointAndReproducible, ()) {
  const auto sizes =
      *rc::gen::container<std::vector<int64_t>>(3, rc::gen::inRange<int64_t>(40, 200));
  const auto seed = *rc::gen::arbitrary<uint64_t>();
  SplitConfig config = protocol(*rc::gen::element<std::string>("none", "long-tail", "minority"));
  config.classes = {"1"};
  config.imbalance = 2;
  config.fraction = *rc::gen::inRange(20, 100) / 100.0;
  const ReferenceConfig reference = reference_of(*rc::gen::inRange(3, 20));
  const ImageSet set = tiny_set(sizes);
  Split split;
  try {
    split = make_split(set, config, reference, 0.1, seed);
  } catch (const UsageError&) {
    RC_DISCARD("the sizes do not allow this split");
  }
  std::set<int64_t> seen;
  int64_t total = 0;
  for (const at::Tensor& part : {split.biased, split.reference, split.heldout}) {
    const std::vector<int64_t> values = to_vector(part);
    RC_ASSERT(std::ranges::is_sorted(values));
    seen.insert(values.begin(), values.end());
    total += part.numel();
  }
  RC_ASSERT(static_cast<int64_t>(seen.size()) == total);
  RC_ASSERT(split.reference.numel() == static_cast<int64_t>(reference.size));
  const Split again = make_split(set, config, reference, 0.1, seed);
  RC_ASSERT(split.to_json() == again.to_json());
  const Split other = make_split(set, config, reference, 0.1, seed + 1);
  RC_ASSERT(!at::equal(split.heldout, other.heldout) ||
            !at::equal(split.reference, other.reference));
}

// ---- lists

TEST(FileSplit, TakesNamesAndIndicesAndDrawsTheReferenceBesideThem) {
  const TempFolder folder;
  const ImageSet set = tiny_set({10, 10});
  SplitConfig config = protocol("file");
  config.biased_file = folder.write("biased.txt", "img3\n0\n\n img5 \r\n");
  const Split split = make_split(set, config, reference_of(4), 0, 0);
  EXPECT_THAT(to_vector(split.biased), ElementsAre(0, 3, 5));
  EXPECT_THAT(counts(set, split.reference), ElementsAre(2, 2));
  for (const int64_t index : to_vector(split.reference))
    EXPECT_TRUE(index != 0 && index != 3 && index != 5);
  EXPECT_THAT(error_of([&] { make_split(set, config, reference_of(18), 0, 0); }),
              HasSubstr("group '1' has too few images outside the given lists"));
}

TEST(FileSplit, TakesAGivenReference) {
  const TempFolder folder;
  SplitConfig config = protocol("file");
  config.biased_file = folder.write("biased.txt", "0\n1\n2\n3\n");
  config.reference_file = folder.write("reference.txt", "4\n6\n8\n7\n");
  const Split split = make_split(tiny_set({10, 10}), config, reference_of(0.05), 0, 0);
  EXPECT_THAT(to_vector(split.reference), ElementsAre(4, 6, 7, 8));
  EXPECT_THAT(split.target, ElementsAre(0.75, 0.25));
}

TEST(FileSplit, RefusesBadLists) {
  const TempFolder folder;
  const ImageSet set = tiny_set({10});
  SplitConfig config = protocol("file");
  const auto error_with = [&](const std::string& biased, const std::string& reference) {
    config.biased_file = folder.write("biased.txt", biased);
    config.reference_file = folder.write("reference.txt", reference);
    return error_of([&] { make_split(set, config, kNoReference, 0, 0); });
  };
  EXPECT_THAT(error_with("7\n3\n2\n", "2\n3\n"), HasSubstr("overlap: got index 2 in both"));
  EXPECT_THAT(error_with("7\n3\nimg7\n", "2\n"), HasSubstr("listed twice: got index 7"));
  EXPECT_THAT(error_with("7\n10\n", "2\n"), HasSubstr("biased.txt:2"));
  EXPECT_THAT(error_with("imgx\n", "2\n"), HasSubstr("'imgx'"));
  EXPECT_THAT(error_of([&] { make_split(set, protocol("file"), kNoReference, 0, 0); }),
              HasSubstr("biased_file"));
}

// ---- the manifest

TEST(SplitManifest, ReadsBackTheSame) {
  const TempFolder folder;
  const ImageSet set = tiny_set({30, 30});
  const Split split = make_split(set, protocol("none"), reference_of(6), 0.1, 17);
  save_split(split, folder / "split.json");
  const nlohmann::json back = load_split(folder / "split.json", set).to_json();
  EXPECT_EQ(back, nlohmann::json(split.to_json()));
}

TEST(SplitManifest, RefusesOtherDataAndDamage) {
  const TempFolder folder;
  const std::filesystem::path path = folder / "split.json";
  ImageSet set = tiny_set({30, 30});
  nlohmann::ordered_json manifest = make_split(set, {}, reference_of(6), 0, 1).to_json();
  const auto error_with = [&](const nlohmann::ordered_json& json) {
    folder.write("split.json", json.dump());
    return error_of([&] { load_split(path, set); });
  };
  auto changed = manifest;
  changed["reference"] = changed["biased"];
  EXPECT_THAT(error_with(changed), HasSubstr("overlap: got index"));
  changed = manifest;
  changed["biased"] = nlohmann::ordered_json::array({60});
  EXPECT_THAT(error_with(changed), HasSubstr("'biased' holds an index outside"));
  changed = manifest;
  changed.erase("target");
  EXPECT_THAT(error_with(changed), HasSubstr("the split manifest is damaged"));
  EXPECT_THAT(error_with({{"format", "other"}}), HasSubstr("this is no split manifest"));
  set.sha256 = "9999";
  EXPECT_THAT(error_with(manifest), HasSubstr("the split was made from other data"));
}

TEST(DataConfig, HasTheKeysScriptsUse) {
  const nlohmann::ordered_json keys = to_json(DataConfig{});
  for (const char* key : {"/path", "/evaluation", "/heldout", "/split/protocol", "/split/classes",
                          "/split/fraction", "/reference/size"})
    EXPECT_TRUE(keys.contains(nlohmann::ordered_json::json_pointer(key))) << key;
}

}  // namespace
}  // namespace equipoise::data
