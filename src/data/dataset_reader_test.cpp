// Specs of data sets, the registry of readers, and the set they give.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "data/dataset_reader.h"
#include "data/test_files.h"

namespace equipoise::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(DatasetSpec, SplitsReaderPathPartAndOptions) {
  const DatasetSpec toy = parse_dataset_spec("toy:two-gaussians?num=10&seed=3");
  EXPECT_EQ(toy.reader, "toy");
  EXPECT_EQ(toy.path, "two-gaussians");
  EXPECT_EQ(toy.options.at("num"), "10");
  EXPECT_EQ(toy.options.at("seed"), "3");
  const TempFolder folder;
  folder.write("train-images-idx3-ubyte", "not looked into");
  const DatasetSpec idx = parse_dataset_spec("idx:" + folder.string() + "#test");
  EXPECT_EQ(idx.reader, "idx");
  EXPECT_EQ(idx.part, "test");
  EXPECT_EQ(idx.path, folder.string());
}

TEST(DatasetSpec, KeepsMarksThatBelongToAnExistingPath) {
  const TempFolder folder;
  folder.write("a#1?b/0/x.png", flat_png(1));
  const DatasetSpec spec = parse_dataset_spec(folder.string() + "/a#1?b");
  EXPECT_EQ(spec.reader, "folder");
  EXPECT_EQ(spec.path, folder / "a#1?b");
}

TEST(DatasetSpec, RefusesWhatMakesNoSense) {
  EXPECT_THAT(error_of([] { parse_dataset_spec("zipp:x"); }), HasSubstr("Did you mean 'zip'?"));
  EXPECT_THAT(error_of([] { parse_dataset_spec("/no/such/file.zip"); }),
              HasSubstr("no such file or folder"));
  EXPECT_THAT(error_of([] { parse_dataset_spec("toy:two-gaussians?num"); }), HasSubstr("'num'"));
  EXPECT_THAT(error_of([] { parse_dataset_spec("/tmp#valid"); }), HasSubstr("'valid'"));
  const TempFolder folder;
  EXPECT_THAT(error_of([&] { parse_dataset_spec(folder.write("x.txt", "text")); }),
              HasSubstr("no image set"));
}

TEST(DatasetRegistry, EveryReaderSaysWhatItIs) {
  for (const auto& [name, entry] : DatasetRegistry::instance().entries()) {
    EXPECT_FALSE(entry.info.summary.empty() || entry.info.source.empty() ||
                 entry.info.use_when.empty())
        << name;
    EXPECT_TRUE(entry.make.read) << name;
  }
  EXPECT_THAT(DatasetRegistry::instance().names(),
              ElementsAre("cifar", "folder", "idx", "npz", "toy", "zip"));
}

TEST(ImageSet, NormalisesToMinusOneToOne) {
  ImageSet set = tiny_set({3});
  set.images = indices({0, 51, 255}).to(at::kByte).view({3, 1, 1, 1});
  const at::Tensor values = set.normalised(indices({2, 0, 1})).flatten();
  EXPECT_FLOAT_EQ(values[0].item<float>(), 1.f);
  EXPECT_FLOAT_EQ(values[1].item<float>(), -1.f);
  EXPECT_FLOAT_EQ(values[2].item<float>(), -0.6f);
  EXPECT_THAT(error_of([&] {
                set.normalised(indices({1, 3}));
              }),
              HasSubstr("got 3, expected 0 to 2"));
}

}  // namespace
}  // namespace equipoise::data
