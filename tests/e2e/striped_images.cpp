#include "striped_images.h"

#include <algorithm>

#include "core/random.h"
#include "io/files.h"

namespace equipoise::e2e {
namespace {

constexpr int64_t kSide = 8, kNumClasses = 3;

std::string striped_image(int64_t number) {
  RandomStream random(1, Purpose::kToyData, static_cast<uint64_t>(number));
  const int64_t shift = static_cast<int64_t>(random.below(4));
  std::string pixels;
  for (int64_t row = 0; row < kSide; ++row) {
    for (int64_t column = 0; column < kSide; ++column) {
      const int64_t along = std::vector<int64_t>{
          row, column, row + column}[static_cast<size_t>(number % kNumClasses)];
      const double bright = (along + shift) % 4 < 2 ? 210 : 40;
      pixels += static_cast<char>(
          static_cast<uint8_t>(std::clamp(bright + 12 * random.normal(), 0.0, 255.0)));
    }
  }
  return pixels;
}

}  // namespace

void write_idx(const std::filesystem::path& path, const std::vector<uint32_t>& sizes,
               const std::string& bytes) {
  std::string file{'\0', '\0', '\x08', static_cast<char>(sizes.size())};
  for (const uint32_t size : sizes)
    for (const int shift : {24, 16, 8, 0}) file += static_cast<char>(size >> shift & 0xff);
  io::write_file_atomically(path, file + bytes);
}

void write_striped_idx(const std::filesystem::path& folder, int64_t num_images) {
  std::filesystem::create_directories(folder);
  std::string images, labels;
  for (int64_t number = 0; number < num_images; ++number) {
    images += striped_image(number);
    labels += static_cast<char>(number % kNumClasses);
  }
  const auto count = static_cast<uint32_t>(num_images);
  write_idx(folder / "train-images-idx3-ubyte", {count, kSide, kSide}, images);
  write_idx(folder / "train-labels-idx1-ubyte", {count}, labels);
}

}  // namespace equipoise::e2e
