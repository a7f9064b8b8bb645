// jpeglib.h needs FILE declared before it.
#include <cstdio>

#include <jpeglib.h>

#include <jerror.h>

#include <csetjmp>

#include "core/error.h"
#include "io/image_formats.h"

namespace equipoise::io {
namespace {

/// libjpeg's error handling, which must come first in the struct: the library hands back a pointer
/// to it.
struct ErrorHandling {
  jpeg_error_mgr manager;
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void keep_error(j_common_ptr codec) {
  auto* handling = reinterpret_cast<ErrorHandling*>(codec->err);
  handling->manager.format_message(codec, handling->message);
  std::longjmp(handling->jump, 1);
}

/// Warnings (level -1) mean that pixels were made up, but for those about bytes that carry none.
void judge_message(j_common_ptr codec, int level) {
  const int code = codec->err->msg_code;
  const bool is_harmless =
      code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR;
  if (level < 0 && !is_harmless) keep_error(codec);
}

class Decoder {
 public:
  Decoder(std::string_view bytes, const std::string& name) : bytes_(bytes), name_(name) {
    codec_.err = jpeg_std_error(&handling_.manager);
    handling_.manager.error_exit = keep_error;
    handling_.manager.emit_message = judge_message;
  }
  ~Decoder() { jpeg_destroy_decompress(&codec_); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  at::Tensor decode() {
    if (!read_header()) fail();
    at::Tensor canvas =
        make_canvas(codec_.output_height, codec_.output_width, codec_.output_components, name_);
    if (!read_pixels(canvas.data_ptr<uint8_t>())) fail();
    return canvas;
  }

 private:
  /// False after an error. Leaves the decoder set to produce grey or RGB (CMYK cannot become RGB:
  /// an error).
  bool read_header() {
    if (setjmp(handling_.jump)) return false;
    jpeg_create_decompress(&codec_);
    jpeg_mem_src(&codec_, reinterpret_cast<const unsigned char*>(bytes_.data()), bytes_.size());
    jpeg_read_header(&codec_, TRUE);
    codec_.out_color_space = codec_.jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_calc_output_dimensions(&codec_);
    return true;
  }
  bool read_pixels(uint8_t* out) {
    if (setjmp(handling_.jump)) return false;
    jpeg_start_decompress(&codec_);
    while (codec_.output_scanline < codec_.output_height) {
      JSAMPROW row =
          out + size_t{codec_.output_scanline} * codec_.output_width * codec_.output_components;
      jpeg_read_scanlines(&codec_, &row, 1);
    }
    jpeg_finish_decompress(&codec_);
    return true;
  }
  [[noreturn]] void fail() const {
    throw DataError({.where = name_,
                     .what = std::string("cannot decode the JPEG image: ") + handling_.message});
  }

  std::string_view bytes_;
  const std::string& name_;
  ErrorHandling handling_{};
  jpeg_decompress_struct codec_{};
};

}  // namespace

at::Tensor decode_jpeg(std::string_view bytes, const std::string& name) {
  return Decoder(bytes, name).decode();
}

}  // namespace equipoise::io
