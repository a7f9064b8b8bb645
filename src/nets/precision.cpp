#include "nets/precision.h"

#include <atomic>

#include <ATen/Context.h>

#include "core/error.h"

namespace equipoise::nets {
namespace {

std::atomic<Precision> setting = Precision::kFp32Fast;

bool processor_has_bf16() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

}  // namespace

Precision parse_precision(const std::string& text, c10::Device device) {
  if (text == "fp32") return Precision::kFp32;
  if (text == "auto" || text == "fp32-fast") return Precision::kFp32Fast;
  if (text != "bf16")
    throw UsageError({.where = "precision",
                      .what = "no such precision",
                      .got = text,
                      .expected = "auto, fp32, fp32-fast or bf16",
                      .hint = ""});
  if (device.is_cpu() && !processor_has_bf16())
    throw UsageError({.where = "precision",
                      .what = "this processor has no bfloat16 instructions",
                      .got = text,
                      .expected = "AVX512-BF16, or a CUDA device",
                      .hint = "Use fp32-fast"});
  return Precision::kBf16;
}

std::string to_string(Precision precision) {
  switch (precision) {
    case Precision::kFp32:
      return "fp32";
    case Precision::kFp32Fast:
      return "fp32-fast";
    case Precision::kBf16:
      return "bf16";
  }
  return "";
}

void set_precision(Precision precision) {
  setting = precision;
  at::globalContext().setAllowTF32CuDNN(precision == Precision::kFp32Fast);
  at::globalContext().setAllowTF32CuBLAS(precision == Precision::kFp32Fast);
}

Precision precision() {
  return setting;
}

}  // namespace equipoise::nets
