// The decoders behind decode_image, one file each. Private to io.
//
// The C libraries report errors by longjmp, which skips destructors: every function that calls
// setjmp holds only plain values, and what needs destroying lives in its caller.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <torch/types.h>

namespace equipoise::io {

inline constexpr int64_t kMaxPixels = int64_t{1} << 28;

/// As decode_image, for bytes known to begin like the format.
at::Tensor decode_png(std::string_view bytes, const std::string& name);
at::Tensor decode_jpeg(std::string_view bytes, const std::string& name);

/// Memory for the decoder to fill, uint8 [height, width, channels]. Throws DataError over
/// kMaxPixels.
at::Tensor make_canvas(int64_t height, int64_t width, int64_t channels, const std::string& name);

}  // namespace equipoise::io
