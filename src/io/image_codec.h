// PNG and JPEG to tensors, tensors to PNG.
#pragma once

#include <string>
#include <string_view>

#include <torch/types.h>

namespace equipoise::io {

/// Pixels uint8 [C,H,W]: C = 1 for grey images, 3 (red, green, blue) for all others.
///
/// The format is found from the first bytes, never from a file name. PNG: palettes become RGB, 1, 2
/// and 4 bit grey is spread over 0 … 255, 16 bit values v become round(255 v / 65535), alpha is
/// dropped without blending, colour profiles and gamma are not applied. JPEG: chroma is upsampled
/// smoothly and the slow exact inverse DCT used, as other libraries do by default; CMYK is refused;
/// the EXIF orientation is not applied.
/// Throws DataError calling the image `name` when it is neither format, truncated, damaged, or over
/// 2^28 pixels.
/// JPEG decoders merely warn about missing data and fill in grey: here that is an error too.
at::Tensor decode_image(std::string_view bytes, const std::string& name);

/// A PNG of pixels uint8 [1,H,W] or [3,H,W]; the same pixels give the same bytes. Throws UsageError
/// for anything else.
std::string encode_png(const at::Tensor& pixels);

}  // namespace equipoise::io
