#include "io/tensor_cache.h"

#include <filesystem>
#include <string>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "io/files.h"
#include "io/npy.h"
#include "io/scratch_folder.h"

namespace equipoise::io {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

const nlohmann::json kKeyOfOne{
    {"format", "numbers/1"}, {"images", "ab12"}, {"recipe", {{"size", 3}}}};

struct TensorCacheTest : testing::Test {
  ScratchFolder scratch;
  const TensorCache cache{scratch / "cache"};
  const at::Tensor numbers = at::arange(6, at::kFloat).view({2, 3});

  nlohmann::json with(const std::string& part, const nlohmann::json& value) const {
    nlohmann::json key = kKeyOfOne;
    key[part] = value;
    return key;
  }
  /// The file that holds `held`, under the name of `asked`.
  void misname(const nlohmann::json& held, const nlohmann::json& asked) const {
    cache.keep(held, {{"numbers", numbers}});
    fs::rename(cache.path_of(held), cache.path_of(asked));
  }
};

TEST_F(TensorCacheTest, GivesBackWhatItWasToKeep) {
  EXPECT_FALSE(cache.find(kKeyOfOne));
  cache.keep(kKeyOfOne, {{"numbers", numbers}, {"more", numbers.to(at::kLong)}});
  const auto found = cache.find(kKeyOfOne);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->size(), 2u);
  EXPECT_TRUE(at::equal(found->at("numbers"), numbers));
  EXPECT_TRUE(at::equal(found->at("more"), numbers.to(at::kLong)));
}

TEST_F(TensorCacheTest, FindsNothingUnderAnyOtherKey) {
  cache.keep(kKeyOfOne, {{"numbers", numbers}});
  EXPECT_FALSE(cache.find(with("images", "ab13")));
  EXPECT_FALSE(cache.find(with("format", "numbers/2")));
  EXPECT_FALSE(cache.find(with("recipe", {{"size", 4}})));
}

TEST_F(TensorCacheTest, RefusesAFileOfAnotherVersion) {
  misname(with("format", "numbers/0"), kKeyOfOne);
  EXPECT_THAT([&] { cache.find(kKeyOfOne); },
              ThrowsMessage<DataError>(AllOf(HasSubstr(cache.path_of(kKeyOfOne).string()),
                                             HasSubstr("another format"), HasSubstr("numbers/0"),
                                             HasSubstr("numbers/1"))));
}

TEST_F(TensorCacheTest, RefusesAFileOfAnotherRecipe) {
  misname(with("recipe", {{"size", 4}}), kKeyOfOne);
  EXPECT_THAT([&] { cache.find(kKeyOfOne); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("another recipe"), HasSubstr("\"size\":4"),
                                             HasSubstr("\"size\":3"))));
}

TEST_F(TensorCacheTest, RefusesFilesThatAreNotItsOwnOrDamaged) {
  cache.keep(kKeyOfOne, {{"numbers", numbers}});
  const fs::path path = cache.path_of(kKeyOfOne);
  write_npz(path, {{"numbers", numbers}});
  EXPECT_THAT([&] { cache.find(kKeyOfOne); },
              ThrowsMessage<DataError>(HasSubstr("does not say what it was made for")));
  fs::resize_file(path, fs::file_size(path) - 20);
  EXPECT_THROW(cache.find(kKeyOfOne), DataError);
}

TEST_F(TensorCacheTest, ReportsAFolderThatCannotBeMade) {
  write_file_atomically(scratch / "file", "");
  EXPECT_THROW(TensorCache(scratch / "file").keep(kKeyOfOne, {}), EnvironmentError);
  EXPECT_THROW(cache.keep(kKeyOfOne, {{"key", numbers}}), UsageError);
}

TEST(Sha256OfTensor, DependsOnValuesShapeAndDtypeAlone) {
  const at::Tensor rows = at::arange(6, at::kInt).view({2, 3});
  EXPECT_EQ(sha256_of_tensor(rows), sha256_of_tensor(rows.t().contiguous().t()));
  EXPECT_NE(sha256_of_tensor(rows), sha256_of_tensor(rows + 1));
  EXPECT_NE(sha256_of_tensor(rows), sha256_of_tensor(rows.view({3, 2})));
  EXPECT_NE(sha256_of_tensor(at::zeros({2}, at::kInt)), sha256_of_tensor(at::zeros({2})));
}

}  // namespace
}  // namespace equipoise::io
