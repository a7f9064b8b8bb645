// IDX, CIFAR and npz files the tests write, and toy laws drawn.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <zlib.h>

#include "core/error.h"
#include "data/dataset_reader.h"
#include "data/test_files.h"
#include "io/npy.h"

namespace equipoise::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string big_endian(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
          static_cast<char>(value >> 8), static_cast<char>(value)};
}

std::string idx_images(uint32_t count, uint32_t size) {
  std::string bytes = big_endian(0x803) + big_endian(count) + big_endian(size) + big_endian(size);
  for (uint32_t i = 0; i < count * size * size; ++i) bytes.push_back(static_cast<char>(i));
  return bytes;
}

std::string idx_labels(const std::vector<int>& labels) {
  std::string bytes = big_endian(0x801) + big_endian(static_cast<uint32_t>(labels.size()));
  for (const int label : labels) bytes.push_back(static_cast<char>(label));
  return bytes;
}

void write_gzip(const std::string& path, const std::string& bytes) {
  gzFile file = gzopen(path.c_str(), "wb");
  ASSERT_EQ(gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())),
            static_cast<int>(bytes.size()));
  gzclose(file);
}

TEST(IdxReader, FindsLabelsByNameAndTheTestPair) {
  const TempFolder folder;
  const std::string images = folder.write("train-images-idx3-ubyte", idx_images(3, 2));
  write_gzip((folder / "train-labels-idx1-ubyte.gz").string(), idx_labels({1, 0, 1}));
  write_gzip((folder / "t10k-images-idx3-ubyte.gz").string(), idx_images(2, 2));
  folder.write("t10k-labels-idx1-ubyte", idx_labels({0, 1}));
  for (const std::string& spec : {folder.string(), images, "idx:" + folder.string() + "#train"}) {
    const ImageSet set = load_images(spec);
    EXPECT_EQ(set.images.sizes(), at::IntArrayRef({3, 1, 2, 2}));
    EXPECT_EQ(set.images[1][0][0][1].item<int64_t>(), 5);
    EXPECT_THAT(to_vector(set.labels), ElementsAre(1, 0, 1));
    EXPECT_THAT(set.class_names, ElementsAre("0", "1"));
  }
  EXPECT_EQ(load_images("idx:" + images + "#test").size(), 2);
  EXPECT_EQ(load_images(folder.string() + "#test").size(), 2);
}

TEST(IdxReader, RenamesClassesWhenAsked) {
  const TempFolder folder;
  folder.write("train-images-idx3-ubyte", idx_images(2, 2));
  folder.write("train-labels-idx1-ubyte", idx_labels({1, 0}));
  EXPECT_THAT(load_images(folder.string() + "?classes=shirt,shoe").class_names,
              ElementsAre("shirt", "shoe"));
  EXPECT_THAT(error_of([&] { load_images(folder.string() + "?classes=shirt"); }),
              HasSubstr("'classes'"));
  EXPECT_THAT(error_of([&] { load_images(folder.string() + "?class=shirt"); }),
              HasSubstr("Did you mean 'classes'?"));
}

TEST(IdxReader, RefusesFilesThatDoNotFitEachOther) {
  const TempFolder folder;
  const std::string images = folder.write("train-images-idx3-ubyte", idx_images(2, 2));
  folder.write("train-labels-idx1-ubyte", idx_labels({1, 0, 1}));
  EXPECT_THAT(error_of([&] { load_images(images); }), HasSubstr("there are labels without images"));
  folder.write("train-labels-idx1-ubyte", idx_labels({1}));
  EXPECT_THAT(error_of([&] { load_images(images); }), HasSubstr("1 labels for 2 images"));
  folder.write("train-labels-idx1-ubyte", idx_images(2, 2));
  EXPECT_THAT(error_of([&] { load_images(images); }), HasSubstr("wrong number of dimensions"));
  folder.write("train-labels-idx1-ubyte", idx_labels({0, 2}));
  EXPECT_THAT(error_of([&] { load_images(images); }), HasSubstr("class '1' has no images"));
  folder.write("train-images-idx3-ubyte", idx_images(2, 2).substr(0, 20));
  EXPECT_THAT(error_of([&] { load_images(images); }), HasSubstr("train-images-idx3-ubyte"));
  EXPECT_THAT(error_of([&] { load_images(folder.string() + "#test"); }),
              HasSubstr("t10k-images-idx3-ubyte"));
}

std::string cifar_records(int count) {
  std::string bytes;
  for (int i = 0; i < count; ++i) {
    bytes.push_back(static_cast<char>(i % 10));
    for (int value = 0; value < 3072; ++value) bytes.push_back(static_cast<char>(i + value / 1024));
  }
  return bytes;
}

TEST(CifarReader, ReadsBatchesInOrder) {
  const TempFolder folder;
  folder.write("data_batch_2.bin", cifar_records(10));
  write_gzip((folder / "data_batch_1.bin.gz").string(), cifar_records(20));
  folder.write("test_batch.bin", cifar_records(11));
  const ImageSet set = load_images(folder.string());
  EXPECT_EQ(set.images.sizes(), at::IntArrayRef({30, 3, 32, 32}));
  EXPECT_EQ(set.labels[12].item<int64_t>(), 2);
  EXPECT_EQ(set.images[12][2][31][31].item<int64_t>(), 14);
  EXPECT_EQ(set.class_names[9], "truck");
  EXPECT_EQ(load_images(folder.string() + "#test").size(), 11);
  EXPECT_EQ(load_images((folder / "data_batch_2.bin").string()).size(), 10);
}

TEST(CifarReader, RefusesCutRecordsAndStrangeLabels) {
  const TempFolder folder;
  const std::string whole = cifar_records(10);
  EXPECT_THAT(
      error_of([&] { load_images(folder.write("a.bin", whole.substr(0, whole.size() - 1))); }),
      HasSubstr("9 records and 3072 bytes"));
  std::string odd = whole;
  odd[3073 * 4] = 10;
  EXPECT_THAT(error_of([&] { load_images(folder.write("a.bin", odd)); }),
              HasSubstr("record 4 (byte 12292)"));
  EXPECT_THAT(error_of([&] { load_images(folder.write("a.bin", "")); }),
              HasSubstr("there are no images"));
  EXPECT_THAT(error_of([&] { load_images(folder.write("a.bin", cifar_records(9))); }),
              HasSubstr("class 'truck' has no images"));
  folder.write("test_batch.bin", whole);
  EXPECT_THAT(error_of([&] { load_images("cifar:" + folder.string()); }),
              HasSubstr("data_batch_1.bin"));
}

TEST(NpzReader, ReadsChannelsLastBatches) {
  const TempFolder folder;
  const std::string path = (folder / "samples.npz").string();
  at::Tensor images = at::arange(2 * 2 * 2 * 3, at::kLong).to(at::kByte).view({2, 2, 2, 3});
  io::write_npz(path, {{"arr_0", images}, {"arr_1", indices({1, 0})}});
  const ImageSet set = load_images(path);
  EXPECT_TRUE(at::equal(set.images, images.permute({0, 3, 1, 2})));
  EXPECT_THAT(to_vector(set.labels), ElementsAre(1, 0));
  io::write_npz(path, {{"samples", images.select(3, 0).contiguous()}});
  EXPECT_EQ(load_images(path).images.sizes(), at::IntArrayRef({2, 1, 2, 2}));
}

TEST(NpzReader, ReadsVectorsAsSamplesOfToyLawsAreWritten) {
  const TempFolder folder;
  const std::string path = (folder / "points.npz").string();
  const at::Tensor points = at::arange(6, at::kFloat).view({3, 2});
  io::write_npz(path, {{"arr_0", points}});
  const ImageSet set = load_images(path);
  EXPECT_TRUE(set.is_vectors());
  EXPECT_TRUE(at::equal(set.images, points));
}

TEST(NpzReader, RefusesOtherArrays) {
  const TempFolder folder;
  const std::string path = (folder / "samples.npz").string();
  const at::Tensor images = at::zeros({2, 2, 2, 3}, at::kByte);
  const auto error_with = [&](const std::vector<std::pair<std::string, at::Tensor>>& arrays) {
    io::write_npz(path, arrays);
    return error_of([&] { load_images(path); });
  };
  EXPECT_THAT(error_with({{"features", images}}), HasSubstr("no array of images"));
  EXPECT_THAT(error_with({{"arr_0", images.to(at::kFloat)}}), HasSubstr("samples.npz/arr_0"));
  EXPECT_THAT(error_with({{"arr_0", images.permute({0, 3, 1, 2}).contiguous()}}),
              HasSubstr("not a batch of images"));
  EXPECT_THAT(error_with({{"arr_0", images}, {"labels", at::zeros({2}, at::kFloat)}}),
              HasSubstr("list of labels"));
  EXPECT_THAT(error_with({{"arr_0", images}, {"labels", at::zeros({3}, at::kLong)}}),
              HasSubstr("labels without images"));
  EXPECT_THAT(error_with({{"arr_0", images.narrow(0, 0, 0)}}), HasSubstr("there are no images"));
}

TEST(ToyReader, DrawsTheTwoGaussians) {
  const ImageSet set = load_images("toy:two-gaussians?num=4000&seed=1");
  ASSERT_TRUE(set.is_vectors());
  EXPECT_EQ(set.images.sizes(), at::IntArrayRef({4000, 2}));
  EXPECT_EQ(set.labels.sum().item<int64_t>(), 2000);
  for (const int64_t mode : {0, 1}) {
    const at::Tensor points = set.images.index_select(0, set.labels.eq(mode).nonzero().flatten());
    // 2000 points a mode: standard error of a mean 0.022, of a variance 0.032; five of each.
    EXPECT_LT(points.mean(0).sub(mode == 0 ? -2 : 2).abs().max().item<float>(), 0.11);
    EXPECT_LT(points.var(0, false).sub(1).abs().max().item<float>(), 0.16);
  }
}

TEST(ToyReader, PointsDoNotDependOnTheirNumber) {
  const ImageSet few = load_images("toy:two-gaussians?num=10");
  const ImageSet many = load_images("toy:two-gaussians?num=20");
  EXPECT_TRUE(at::equal(many.images.narrow(0, 0, 10), few.images));
  EXPECT_FALSE(at::equal(load_images("toy:two-gaussians?num=10&seed=1").images, few.images));
  EXPECT_NE(few.sha256, many.sha256);
}

TEST(ToyReader, RefusesUnknownLawsAndOptions) {
  EXPECT_THAT(error_of([] { load_images("toy:two-gausians"); }),
              HasSubstr("Did you mean 'two-gaussians'?"));
  EXPECT_THAT(error_of([] { load_images("toy:two-gaussians?num=1"); }), HasSubstr("at least 2"));
  EXPECT_THAT(error_of([] { load_images("toy:two-gaussians?num=4x"); }), HasSubstr("4x"));
  EXPECT_THAT(error_of([] { load_images("toy:two-gaussians?sed=4"); }),
              HasSubstr("Did you mean 'seed'?"));
}

}  // namespace
}  // namespace equipoise::data
