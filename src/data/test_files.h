// Files and sets that the tests of this folder make for themselves.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "core/error.h"
#include "data/image_set.h"
#include "io/files.h"
#include "io/image_codec.h"
#include "io/scratch_folder.h"

namespace equipoise::data {

/// A folder of this test alone, gone with it.
class TempFolder : public io::ScratchFolder {
 public:
  std::string string() const { return path().string(); }
  /// Writes a file, making its folders; returns its path.
  std::string write(const std::string& name, std::string_view bytes) const {
    const std::filesystem::path file = path() / name;
    std::filesystem::create_directories(file.parent_path());
    io::write_file_atomically(file, bytes);
    return file.string();
  }
};

/// A PNG of equal pixels.
inline std::string flat_png(int64_t value, int64_t channels = 3, int64_t size = 4) {
  return io::encode_png(at::full({channels, size, size}, value, at::kByte));
}

/// counts[k] one-pixel images of class k, dealt in rounds over the classes, named img0, img1, …
inline ImageSet tiny_set(const std::vector<int64_t>& counts) {
  std::vector<int64_t> labels, left = counts;
  ImageSet set;
  for (bool is_any_left = true; is_any_left;) {
    is_any_left = false;
    for (size_t k = 0; k < left.size(); ++k) {
      if (left[k]-- <= 0) continue;
      labels.push_back(static_cast<int64_t>(k));
      is_any_left = true;
    }
  }
  const auto num_images = static_cast<int64_t>(labels.size());
  set.labels = at::tensor(labels, at::kLong);
  set.images = at::arange(num_images, at::kLong).remainder(256).to(at::kByte).view({-1, 1, 1, 1});
  for (size_t k = 0; k < counts.size(); ++k) set.class_names.push_back(std::to_string(k));
  for (int64_t i = 0; i < num_images; ++i) set.names.push_back(fmt::format("img{}", i));
  set.source = "tiny";
  set.sha256 = "0123";
  return set;
}

inline at::Tensor indices(const std::vector<int64_t>& values) {
  return at::tensor(values, at::kLong);
}

inline std::vector<int64_t> to_vector(const at::Tensor& tensor) {
  const at::Tensor values = tensor.contiguous();
  return {values.data_ptr<int64_t>(), values.data_ptr<int64_t>() + values.numel()};
}

/// The text of the Equipoise error that `body` throws; fails the test when it throws none.
template <class Body>
std::string error_of(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "no error was thrown";
  return "";
}

}  // namespace equipoise::data
