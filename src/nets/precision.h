// How exactly networks compute: one setting for the whole process.
#pragma once

#include <string>

#include <c10/core/Device.h>

namespace equipoise::nets {

/// What a network's convolutions and linear maps are computed in. Weights, norms, softmax, losses and
/// everything outside a network stay float32 or better.
enum class Precision {
  kFp32,      ///< float32, each product as it is defined
  kFp32Fast,  ///< float32 in fewer products: Winograd's on a processor, TF32 on CUDA
  /// bfloat16 products summed in float32; on a processor where they are faster than Winograd's
  /// float32 ones (docs/adr/0007)
  kBf16
};

/// Of "auto", "fp32", "fp32-fast" or "bf16", for networks on `device`. auto = fp32-fast, everywhere,
/// so that one recipe computes the same on every processor.
/// Throws: UsageError for any other word, and for bf16 on a processor without instructions for it,
/// where it would be several times slower than float32.
Precision parse_precision(const std::string& text, c10::Device device);

/// The word for it in configs.
std::string to_string(Precision precision);

/// Sets it for all networks. Call while none computes.
void set_precision(Precision precision);
/// kFp32Fast until set.
Precision precision();

}  // namespace equipoise::nets
