#include "report/sample_grid.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/libtorch.h"
#include "io/image_codec.h"

namespace equipoise::report {
namespace {

TEST(SampleGrid, PutsImagesInRowsAndFillsTheLastWithBlack) {
  // Three 1x2 images of constant brightness 10, 20, 30 in two columns.
  const at::Tensor images =
      (torch::arange(1, 4) * 10).to(at::kByte).view({3, 1, 1, 1}).expand({3, 1, 1, 2});
  const at::Tensor grid = io::decode_image(encode_grid_png(images, 2), "grid");
  const at::Tensor expected =
      torch::tensor({10, 10, 20, 20, 30, 30, 0, 0}, at::kByte).view({1, 2, 4});
  EXPECT_TRUE(grid.equal(expected)) << grid;
}

TEST(SampleGrid, KeepsColours) {
  const at::Tensor image = torch::arange(60, at::kByte).view({1, 3, 4, 5});
  EXPECT_TRUE(io::decode_image(encode_grid_png(image, 1), "grid").equal(image[0]));
}

TEST(SampleGrid, RefusesWhatIsNoStackOfByteImages) {
  EXPECT_THROW(encode_grid_png(torch::zeros({2, 1, 4, 4}), 2), UsageError);
  EXPECT_THROW(encode_grid_png(torch::zeros({2, 2, 4, 4}, at::kByte), 2), UsageError);
  EXPECT_THROW(encode_grid_png(torch::zeros({0, 1, 4, 4}, at::kByte), 2), UsageError);
  EXPECT_THROW(encode_grid_png(torch::zeros({4, 4}, at::kByte), 2), UsageError);
  EXPECT_THROW(encode_grid_png(torch::zeros({2, 1, 4, 4}, at::kByte), 0), UsageError);
}

}  // namespace
}  // namespace equipoise::report
