// Arrays in NumPy's formats: .npy (one array) and .npz (a zip of them).
//
// Dtypes read: b1 u1 i1 i2 i4 i8 f2 f4 f8 in either byte order (big-endian values are swapped).
// Written: the same, little-endian. Object arrays would need Python's pickle and are refused, as
// are strings and structured dtypes.
// Source: numpy.lib.format, versions 1.0, 2.0 and 3.0.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <torch/types.h>

#include "io/zip_archive.h"

namespace equipoise::io {

/// The array in a .npy file's bytes, contiguous in C order; `name` is what errors call it.
/// Throws DataError when the header is damaged, the dtype is not one of ours, or bytes are missing
/// or left over.
at::Tensor parse_npy(std::string_view bytes, const std::string& name);
at::Tensor read_npy(const std::filesystem::path& path);
/// Atomic. Throws UsageError for a dtype NumPy lacks (bfloat16), EnvironmentError when the disk
/// fails.
void write_npy(const std::filesystem::path& path, const at::Tensor& tensor);

/// Reads the arrays of an .npz one at a time.
class NpzReader {
 public:
  /// Throws DataError when the file is no zip archive.
  explicit NpzReader(std::filesystem::path path) : zip_(std::move(path)) {}
  /// Without the ".npy" of the archive's entries; entries that are not arrays are left out.
  std::vector<std::string> names() const;
  bool contains(const std::string& name) const { return zip_.contains(name + ".npy"); }
  /// Throws DataError listing the arrays there are when there is none of this name.
  at::Tensor read(const std::string& name) const;

 private:
  ZipReader zip_;
};

std::map<std::string, at::Tensor> read_npz(const std::filesystem::path& path);
/// Writes atomically, uncompressed, in the order given; the same arrays give the same bytes.
void write_npz(const std::filesystem::path& path,
               const std::vector<std::pair<std::string, at::Tensor>>& arrays);

}  // namespace equipoise::io
