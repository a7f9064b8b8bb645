// Named tensors in one file, without code in it: https://github.com/huggingface/safetensors (format
// of 2023).
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include <torch/types.h>

namespace equipoise::io {

struct SafetensorsFile {
  std::map<std::string, at::Tensor> tensors;  ///< on the CPU, contiguous, each with its own memory
  std::map<std::string, std::string> metadata;  ///< the header's "__metadata__"
};

/// Reads dtypes F16 BF16 F32 F64 I8 U8 I16 I32 I64 BOOL.
///
/// Throws DataError naming file and tensor when the header is longer than the file or than 100 MB,
/// is not valid JSON, names a tensor twice, has an unknown dtype, or when the tensors' byte ranges
/// do not agree with their shapes or do not cover the data exactly once (gaps, overlaps, truncated
/// or trailing bytes).
SafetensorsFile read_safetensors(const std::filesystem::path& path);

/// Writes atomically and deterministically: the same tensors give the same bytes.
///
/// Header keys are sorted by name and padded with spaces to a multiple of 8 bytes. Data lies widest
/// dtype first, then by name, so that every tensor is aligned for readers that map the file.
/// Tensors may be strided or on a device.
/// Throws UsageError for a dtype the format lacks, EnvironmentError when the disk fails.
void write_safetensors(const std::filesystem::path& path,
                       const std::map<std::string, at::Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace equipoise::io
