#include <png.h>

#include <csetjmp>
#include <cstring>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/error.h"
#include "io/image_codec.h"
#include "io/image_formats.h"

namespace equipoise::io {
namespace {

void ignore_warning(png_structp, png_const_charp) {}

/// libpng's error: keeps the text, jumps back to the setjmp.
void keep_error(png_structp png, png_const_charp message) {
  *static_cast<std::string*>(png_get_error_ptr(png)) = message;
  png_longjmp(png, 1);
}

std::vector<png_bytep> row_pointers(const at::Tensor& canvas) {
  std::vector<png_bytep> rows;
  for (int64_t y = 0; y < canvas.size(0); ++y)
    rows.push_back(canvas.data_ptr<uint8_t>() + y * canvas.size(1) * canvas.size(2));
  return rows;
}

class Decoder {
 public:
  Decoder(std::string_view bytes, const std::string& name) : rest_(bytes), name_(name) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &error_, keep_error, ignore_warning);
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
    if (!info_) throw std::bad_alloc();
    png_set_read_fn(png_, &rest_, take_bytes);
  }
  ~Decoder() { png_destroy_read_struct(&png_, &info_, nullptr); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  at::Tensor decode() {
    if (!read_header()) fail();
    at::Tensor canvas =
        make_canvas(png_get_image_height(png_, info_), png_get_image_width(png_, info_),
                    png_get_channels(png_, info_), name_);
    EQUIPOISE_ASSERT(png_get_rowbytes(png_, info_) ==
                     static_cast<size_t>(canvas.size(1) * canvas.size(2)));
    std::vector<png_bytep> rows = row_pointers(canvas);
    if (!read_pixels(rows.data())) fail();
    return canvas;
  }

 private:
  static void take_bytes(png_structp png, png_bytep out, size_t count) {
    auto& rest = *static_cast<std::string_view*>(png_get_io_ptr(png));
    if (count > rest.size()) png_error(png, "it is truncated");
    std::memcpy(out, rest.data(), count);
    rest.remove_prefix(count);
  }

  /// False after an error. Leaves the decoder set to produce 8-bit grey or RGB.
  bool read_header() {
    if (setjmp(png_jmpbuf(png_))) return false;
    png_read_info(png_, info_);
    const int color_type = png_get_color_type(png_, info_);
    if (color_type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png_);
    if (color_type == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png_);
    png_set_scale_16(png_);
    png_set_strip_alpha(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return true;
  }
  bool read_pixels(png_bytepp rows) {
    if (setjmp(png_jmpbuf(png_))) return false;
    png_read_image(png_, rows);
    png_read_end(png_, nullptr);
    return true;
  }
  [[noreturn]] void fail() const {
    throw DataError({.where = name_, .what = "cannot decode the PNG image: " + error_});
  }

  std::string_view rest_;
  const std::string& name_;
  std::string error_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

class Encoder {
 public:
  Encoder() {
    png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, &error_, keep_error, ignore_warning);
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
    if (!info_) throw std::bad_alloc();
    png_set_write_fn(png_, &bytes_, append_bytes, nullptr);
  }
  ~Encoder() { png_destroy_write_struct(&png_, &info_); }
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  /// canvas: uint8 [height, width, 1 or 3], contiguous.
  std::string encode(const at::Tensor& canvas) {
    std::vector<png_bytep> rows = row_pointers(canvas);
    const int color_type = canvas.size(2) == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB;
    if (!write(rows.data(), static_cast<uint32_t>(canvas.size(1)),
               static_cast<uint32_t>(canvas.size(0)), color_type))
      throw UsageError({.what = "cannot encode the image as PNG: " + error_});
    return std::move(bytes_);
  }

 private:
  static void append_bytes(png_structp png, png_bytep data, size_t count) noexcept {
    static_cast<std::string*>(png_get_io_ptr(png))
        ->append(reinterpret_cast<const char*>(data), count);
  }

  bool write(png_bytepp rows, uint32_t width, uint32_t height, int color_type) {
    if (setjmp(png_jmpbuf(png_))) return false;
    png_set_IHDR(png_, info_, width, height, 8, color_type, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png_, info_);
    png_write_image(png_, rows);
    png_write_end(png_, nullptr);
    return true;
  }

  std::string bytes_;
  std::string error_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

}  // namespace

at::Tensor decode_png(std::string_view bytes, const std::string& name) {
  return Decoder(bytes, name).decode();
}

std::string encode_png(const at::Tensor& pixels) {
  const bool is_image = pixels.dim() == 3 && pixels.scalar_type() == at::kByte &&
                        (pixels.size(0) == 1 || pixels.size(0) == 3) && pixels.numel() > 0;
  if (!is_image)
    throw UsageError({.where = "encode_png",
                      .what = "these are no pixels",
                      .got = describe(pixels),
                      .expected = "uint8 [1,H,W] or [3,H,W]"});
  return Encoder().encode(pixels.cpu().permute({1, 2, 0}).contiguous());
}

}  // namespace equipoise::io
