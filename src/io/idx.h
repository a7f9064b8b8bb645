// IDX, the format of MNIST and its relatives (http://yann.lecun.com/exdb/mnist), plain or
// compressed.
#pragma once

#include <filesystem>

#include <torch/types.h>

namespace equipoise::io {

/// Unsigned bytes of any rank, e.g. [60000,28,28] images or [60000] labels; .gz and .xz are seen
/// from the content.
/// Throws DataError when the magic number is wrong, the values are not unsigned bytes, or the
/// header's sizes and the bytes present disagree.
at::Tensor read_idx(const std::filesystem::path& path);

}  // namespace equipoise::io
