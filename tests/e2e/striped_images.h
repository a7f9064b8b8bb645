// An image set that can be told apart at a glance: 8 x 8 stripes, lying, standing and slanting,
// with noise.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace equipoise::e2e {

/// Writes a pair of IDX files, train-images-idx3-ubyte and train-labels-idx1-ubyte: 3 classes in
/// turn.
void write_striped_idx(const std::filesystem::path& folder, int64_t num_images);

/// An IDX file of unsigned bytes: its header says `sizes`, whatever `bytes` holds.
void write_idx(const std::filesystem::path& path, const std::vector<uint32_t>& sizes,
               const std::string& bytes);

}  // namespace equipoise::e2e
