#include "io/image_codec.h"

#include <fmt/format.h>

#include "core/error.h"
#include "io/image_formats.h"

namespace equipoise::io {

using namespace std::string_view_literals;

at::Tensor make_canvas(int64_t height, int64_t width, int64_t channels, const std::string& name) {
  if (height > kMaxPixels / width)
    throw DataError({.where = name,
                     .what = "the image is too large",
                     .got = fmt::format("{} x {} pixels", width, height),
                     .expected = fmt::format("at most {} in all", kMaxPixels)});
  return at::empty({height, width, channels}, at::kByte);
}

at::Tensor decode_image(std::string_view bytes, const std::string& name) {
  at::Tensor canvas;
  if (bytes.starts_with("\x89PNG\r\n\x1a\n"sv)) {
    canvas = decode_png(bytes, name);
  } else if (bytes.starts_with("\xff\xd8\xff"sv)) {
    canvas = decode_jpeg(bytes, name);
  } else {
    std::string first_bytes;
    for (char byte : bytes.substr(0, 4))
      first_bytes += fmt::format(" {:02x}", static_cast<uint8_t>(byte));
    throw DataError({.where = name,
                     .what = "is neither a PNG nor a JPEG image",
                     .got = bytes.empty() ? "no bytes" : "first bytes" + first_bytes});
  }
  return canvas.permute({2, 0, 1}).contiguous();
}

}  // namespace equipoise::io
