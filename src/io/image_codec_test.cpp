// jpeglib.h needs FILE declared before it.
#include <cstdio>

#include <jpeglib.h>

#include <png.h>
#include <zlib.h>

#include "io/image_codec.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/error.h"
#include "io/raw_tensor.h"

namespace equipoise::io {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;
using namespace std::string_literals;

std::string big_endian(uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(value >> shift));
  return bytes;
}

std::string chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  const uLong crc =
      crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return big_endian(static_cast<uint32_t>(data.size())) + body +
         big_endian(static_cast<uint32_t>(crc));
}

struct PngParts {
  uint32_t width = 1;
  uint32_t height = 1;
  int depth = 8;
  int color_type = PNG_COLOR_TYPE_GRAY;
  std::string before_pixels{};  // chunks
  std::string rows{};           // each begins with its filter's number
};

/// A PNG made by hand, so that the decoder is not tested against our own encoder alone.
std::string make_png(const PngParts& parts) {
  std::string packed(compressBound(parts.rows.size()), '\0');
  uLongf size = packed.size();
  compress(reinterpret_cast<Bytef*>(packed.data()), &size,
           reinterpret_cast<const Bytef*>(parts.rows.data()), parts.rows.size());
  packed.resize(size);
  std::string header = big_endian(parts.width) + big_endian(parts.height);
  header += {static_cast<char>(parts.depth), static_cast<char>(parts.color_type), 0, 0, 0};
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", header) + parts.before_pixels + chunk("IDAT", packed) +
         chunk("IEND", "");
}

/// Pixels [height, width, channels] as a JPEG of colour space `space`.
std::string make_jpeg(const at::Tensor& pixels, J_COLOR_SPACE space) {
  jpeg_compress_struct codec{};
  jpeg_error_mgr errors;
  codec.err = jpeg_std_error(&errors);
  jpeg_create_compress(&codec);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&codec, &buffer, &size);
  codec.image_height = static_cast<JDIMENSION>(pixels.size(0));
  codec.image_width = static_cast<JDIMENSION>(pixels.size(1));
  codec.input_components = static_cast<int>(pixels.size(2));
  codec.in_color_space = space;
  jpeg_set_defaults(&codec);
  jpeg_set_quality(&codec, 95, TRUE);
  jpeg_start_compress(&codec, TRUE);
  while (codec.next_scanline < codec.image_height) {
    JSAMPROW row =
        pixels.data_ptr<uint8_t>() + codec.next_scanline * pixels.size(1) * pixels.size(2);
    jpeg_write_scanlines(&codec, &row, 1);
  }
  jpeg_finish_compress(&codec);
  std::string bytes(reinterpret_cast<char*>(buffer), size);
  jpeg_destroy_compress(&codec);
  std::free(buffer);
  return bytes;
}

at::Tensor solid(int64_t height, int64_t width, std::vector<int64_t> color) {
  return at::tensor(color)
      .to(at::kByte)
      .expand({height, width, static_cast<int64_t>(color.size())})
      .contiguous();
}

at::Tensor pixels_of(const std::string& png) {
  return decode_image(png, "x");
}

at::Tensor as_image(std::vector<int64_t> values, int64_t channels) {
  return at::tensor(values).to(at::kByte).reshape({-1, channels}).t().unsqueeze(1);  // one row
}

RC_GTEST_PROP(Png, GivesBackWhatWasEncoded, ()) {
  const int64_t channels = *rc::gen::element<int64_t>(1, 3);
  const int64_t height = *rc::gen::inRange<int64_t>(1, 20);
  const int64_t width = *rc::gen::inRange<int64_t>(1, 20);
  const auto bytes = *rc::gen::container<std::string>(
      static_cast<size_t>(channels * height * width), rc::gen::arbitrary<char>());
  const at::Tensor pixels = tensor_from_bytes(bytes, {channels, height, width}, at::kByte);
  RC_ASSERT(decode_image(encode_png(pixels), "x").equal(pixels));
}

TEST(Png, OfTheSamePixelsHasTheSameBytes) {
  const at::Tensor pixels =
      at::arange(3 * 16 * 16, at::kLong).remainder(251).to(at::kByte).reshape({3, 16, 16});
  EXPECT_EQ(encode_png(pixels), encode_png(pixels.clone()));
  EXPECT_EQ(encode_png(pixels), encode_png(pixels.transpose(1, 2).contiguous().transpose(1, 2)));
}

TEST(Png, DecodesRgbInTheOrderOfChannels) {
  const at::Tensor pixels = pixels_of(
      make_png({.width = 2, .color_type = PNG_COLOR_TYPE_RGB, .rows = "\0\1\2\3\4\5\6"s}));
  EXPECT_TRUE(pixels.equal(at::tensor({1, 4, 2, 5, 3, 6}, at::kByte).reshape({3, 1, 2}))) << pixels;
}

TEST(Png, SpreadsNarrowGreyOverTheWholeRange) {
  EXPECT_TRUE(pixels_of(make_png({.width = 4, .depth = 2, .rows = "\0\x1b"s}))
                  .equal(as_image({0, 85, 170, 255}, 1)));
  EXPECT_TRUE(pixels_of(make_png({.width = 2, .depth = 1, .rows = "\0\x40"s}))
                  .equal(as_image({0, 255}, 1)));
}

TEST(Png, RoundsSixteenBitsToEight) {
  // 0x0080 = 128 of 65535 is 0.498 of 255; 0x0081 is 0.502.
  const std::string rows = "\0\x00\x80\x00\x81\xff\xff\x12\x12"s;
  EXPECT_TRUE(pixels_of(make_png({.width = 4, .depth = 16, .rows = rows}))
                  .equal(as_image({0, 1, 255, 0x12}, 1)));
}

TEST(Png, DropsAlphaWithoutBlending) {
  EXPECT_TRUE(
      pixels_of(make_png({.color_type = PNG_COLOR_TYPE_RGB_ALPHA, .rows = "\0\x0a\x14\x1e\0"s}))
          .equal(as_image({10, 20, 30}, 3)));
  EXPECT_TRUE(pixels_of(make_png({.color_type = PNG_COLOR_TYPE_GRAY_ALPHA, .rows = "\0\x0a\0"s}))
                  .equal(as_image({10}, 1)));
}

TEST(Png, LooksUpThePalette) {
  const std::string palette = chunk("PLTE", "\x0a\x14\x1e\x28\x32\x3c");
  const std::string transparency = chunk("tRNS", "\0"s);
  for (const std::string& before : {palette, palette + transparency}) {
    const at::Tensor pixels = pixels_of(make_png({.width = 2,
                                                  .depth = 1,
                                                  .color_type = PNG_COLOR_TYPE_PALETTE,
                                                  .before_pixels = before,
                                                  .rows = "\0\x40"s}));
    EXPECT_TRUE(pixels.equal(as_image({10, 20, 30, 40, 50, 60}, 3))) << pixels;
  }
}

TEST(Png, IgnoresGamma) {
  const std::string gamma = chunk("gAMA", big_endian(100000));
  EXPECT_TRUE(
      pixels_of(make_png({.before_pixels = gamma, .rows = "\0\x40"s})).equal(as_image({0x40}, 1)));
}

TEST(Png, ThatIsTruncatedIsRefusedByName) {
  const std::string png = encode_png(at::arange(48, at::kByte).reshape({3, 4, 4}));
  for (size_t length = 8; length < png.size(); ++length)
    EXPECT_THAT([&] { decode_image(png.substr(0, length), "a.zip: 7.png"); },
                ThrowsMessage<DataError>(
                    HasSubstr("[a.zip: 7.png] cannot decode the PNG image: it is truncated")));
}

TEST(Png, ThatIsDamagedIsRefused) {
  std::string png = encode_png(at::arange(48, at::kByte).reshape({3, 4, 4}));
  png[45] ^= 1;
  EXPECT_THAT([&] { decode_image(png, "x"); },
              ThrowsMessage<DataError>(HasSubstr("cannot decode the PNG image")));
  EXPECT_THROW(decode_image(make_png({.width = 0}), "x"), DataError);
  EXPECT_THROW(decode_image(make_png({.width = 4, .rows = "\0\1"s}), "x"), DataError)
      << "pixels missing";
}

TEST(Png, ThatIsTooLargeIsRefusedBeforeMemoryIsAskedFor) {
  EXPECT_THAT(
      [&] { decode_image(make_png({.width = 900'000, .height = 900'000}), "x"); },
      ThrowsMessage<DataError>(HasSubstr("the image is too large: got 900000 x 900000 pixels")));
}

TEST(Png, EncodesOnlyPixels) {
  EXPECT_THAT(
      [] {
        encode_png(at::zeros({3, 4, 4}));
      },
      ThrowsMessage<UsageError>(HasSubstr("expected uint8 [1,H,W] or [3,H,W]")));
  EXPECT_THROW(encode_png(at::zeros({4, 4, 4}, at::kByte)), UsageError);
  EXPECT_THROW(encode_png(at::zeros({4, 4}, at::kByte)), UsageError);
  EXPECT_THROW(encode_png(at::zeros({3, 0, 4}, at::kByte)), UsageError);
}

TEST(Jpeg, DecodesColoursInTheirPlace) {
  const at::Tensor pixels = decode_image(make_jpeg(solid(24, 17, {200, 100, 30}), JCS_RGB), "x");
  ASSERT_EQ(pixels.sizes(), (std::vector<int64_t>{3, 24, 17}));
  const at::Tensor expected = at::tensor({200.0f, 100.0f, 30.0f}).reshape({3, 1, 1});
  EXPECT_LE((pixels.to(at::kFloat) - expected).abs().max().item<float>(), 2);
}

TEST(Jpeg, StaysGreyWhereItIs) {
  const at::Tensor pixels = decode_image(make_jpeg(solid(8, 9, {77}), JCS_GRAYSCALE), "x");
  ASSERT_EQ(pixels.sizes(), (std::vector<int64_t>{1, 8, 9}));
  EXPECT_LE((pixels.to(at::kFloat) - 77).abs().max().item<float>(), 1);
}

TEST(Jpeg, InCmykIsRefused) {
  EXPECT_THAT(
      [] {
        decode_image(make_jpeg(solid(8, 8, {1, 2, 3, 4}), JCS_CMYK), "x");
      },
      ThrowsMessage<DataError>(HasSubstr("[x] cannot decode the JPEG image")));
}

TEST(Jpeg, ThatIsTruncatedIsRefusedByName) {
  const at::Tensor noise =
      at::arange(64 * 64 * 3, at::kLong).mul(7919).remainder(256).to(at::kByte);
  const std::string jpeg = make_jpeg(noise.reshape({64, 64, 3}), JCS_RGB);
  for (size_t length = 3; length < jpeg.size(); length += 97)
    EXPECT_THAT([&] { decode_image(jpeg.substr(0, length), "a.zip: 7.jpg"); },
                ThrowsMessage<DataError>(HasSubstr("[a.zip: 7.jpg] cannot decode the JPEG image")));
  EXPECT_THAT([&] { decode_image(jpeg.substr(0, jpeg.size() - 2), "x"); },
              ThrowsMessage<DataError>(HasSubstr("Premature end of JPEG file")));
}

TEST(Jpeg, MayBeFollowedByBytesThatAreNotPartOfIt) {
  EXPECT_NO_THROW(decode_image(make_jpeg(solid(8, 8, {1}), JCS_GRAYSCALE) + "trailer", "x"));
}

TEST(DecodeImage, SaysWhenItIsNoImage) {
  EXPECT_THAT(
      [] { decode_image("GIF89a", "cat.png"); },
      ThrowsMessage<DataError>(AllOf(HasSubstr("[cat.png] is neither a PNG nor a JPEG image"),
                                     HasSubstr("first bytes 47 49 46 38"))));
  EXPECT_THAT([] { decode_image("", "x"); }, ThrowsMessage<DataError>(HasSubstr("got no bytes")));
}

}  // namespace
}  // namespace equipoise::io
