#include <lzma.h>
#include <zlib.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "io/files.h"
#include "io/scratch_folder.h"

namespace equipoise::io {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

std::string gzip(const std::string& bytes) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string packed(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string xz(const std::string& bytes) {
  std::string packed(lzma_stream_buffer_bound(bytes.size()), '\0');
  size_t size = 0;
  EXPECT_EQ(lzma_easy_buffer_encode(
                6, LZMA_CHECK_CRC32, nullptr, reinterpret_cast<const uint8_t*>(bytes.data()),
                bytes.size(), reinterpret_cast<uint8_t*>(packed.data()), &size, packed.size()),
            LZMA_OK);
  packed.resize(size);
  return packed;
}

class ReadMaybeGzip : public testing::TestWithParam<std::string (*)(const std::string&)> {
 protected:
  std::string pack(const std::string& bytes) const { return GetParam()(bytes); }
  std::string read_back(const std::string& packed,
                        uint64_t max_bytes = kMaxDecompressedBytes) const {
    write_file_atomically(folder_ / "file", packed);
    return read_maybe_gzip(folder_ / "file", max_bytes);
  }
  /// Long enough for several buffers of output, with something to compress and something not.
  static std::string long_text() {
    std::string text;
    for (uint32_t i = 0; text.size() < 700'000; ++i) text += std::to_string(i * 2654435761u) + "\n";
    return text;
  }

 private:
  ScratchFolder folder_;
};

TEST_P(ReadMaybeGzip, Unpacks) {
  EXPECT_EQ(read_back(pack(long_text())), long_text());
  EXPECT_EQ(read_back(pack("")), "");
}

TEST_P(ReadMaybeGzip, JoinsStreamsThatFollowOneAnother) {
  EXPECT_EQ(read_back(pack("one ") + pack("two")), "one two");
}

TEST_P(ReadMaybeGzip, SaysWhereATruncatedFileEnds) {
  const std::string packed = pack("not very much text");
  for (size_t length = 6; length < packed.size(); ++length)
    EXPECT_THAT([&] { read_back(packed.substr(0, length)); },
                ThrowsMessage<DataError>(AllOf(HasSubstr("/file"), HasSubstr("truncated"),
                                               HasSubstr("offset " + std::to_string(length)))));
}

TEST_P(ReadMaybeGzip, RefusesDamagedBytes) {
  std::string packed = pack(long_text());
  packed[packed.size() / 2] ^= 0x10;
  EXPECT_THAT([&] { read_back(packed); }, ThrowsMessage<DataError>(HasSubstr("damaged")));
}

TEST_P(ReadMaybeGzip, RefusesBytesAfterTheEnd) {
  EXPECT_THAT([&] { read_back(pack("text") + "more than a header takes"); },
              ThrowsMessage<DataError>(HasSubstr("damaged")));
}

TEST_P(ReadMaybeGzip, StopsAtTheLimit) {
  const std::string packed = pack(std::string(1'000'000, 'z'));
  EXPECT_EQ(read_back(packed, 1'000'000).size(), 1'000'000);
  EXPECT_THAT([&] { read_back(packed, 999'999); },
              ThrowsMessage<DataError>(HasSubstr("more than 999999 bytes")));
}

INSTANTIATE_TEST_SUITE_P(Formats, ReadMaybeGzip, testing::Values(&gzip, &xz),
                         [](const auto& info) { return info.index == 0 ? "Gzip" : "Xz"; });

TEST(ReadMaybeGzipPlain, ReturnsOtherFilesAsTheyAre) {
  const ScratchFolder folder;
  const std::string almost_xz = std::string("\xfd") + "7zXZ";
  for (const std::string bytes : {"", "\x1f", "\x1f\x8c plain", almost_xz.c_str()}) {
    write_file_atomically(folder / "x.gz", bytes);
    EXPECT_EQ(read_maybe_gzip(folder / "x.gz"), bytes);
  }
}

}  // namespace
}  // namespace equipoise::io
