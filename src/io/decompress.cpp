#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include <lzma.h>
#include <zlib.h>

#include <fmt/format.h>

#include "core/error.h"
#include "io/files.h"

namespace equipoise::io {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kGzipMagic = "\x1f\x8b"sv;
constexpr std::string_view kXzMagic = "\xfd\x37\x7a\x58\x5a\x00"sv;
constexpr uint64_t kXzMemoryBytes = uint64_t{1} << 30;  // of the decoder itself; xz -9 needs 65 MiB
constexpr size_t kInputPieceBytes = size_t{1} << 30;    // zlib counts input in 32 bits

/// The packed file, how it is called, and what has come out of it.
class Unpacking {
 public:
  Unpacking(std::string_view packed, std::string name, uint64_t max_bytes)
      : packed_(packed), name_(std::move(name)), max_bytes_(max_bytes) {}

  std::string_view packed() const { return packed_; }
  uint8_t* buffer() { return buffer_.data(); }
  size_t buffer_size() const { return buffer_.size(); }
  /// Takes the first `count` bytes of the buffer.
  void accept(size_t count) {
    if (count > max_bytes_ - result_.size())
      throw DataError(
          {.where = name_, .what = fmt::format("unpacks to more than {} bytes", max_bytes_)});
    result_.append(reinterpret_cast<const char*>(buffer_.data()), count);
  }
  std::string take() { return std::move(result_); }

  [[noreturn]] void fail_truncated() const {
    throw DataError(
        {.where = name_,
         .what = fmt::format("the compressed file is truncated: it ends in mid-stream at offset {}",
                             packed_.size())});
  }
  [[noreturn]] void fail_corrupt(size_t offset, const char* why) const {
    throw DataError(
        {.where = name_,
         .what = fmt::format("the compressed file is damaged at offset {}: {}", offset, why)});
  }

 private:
  std::string_view packed_;
  std::string name_;
  uint64_t max_bytes_;
  std::string result_;
  std::array<uint8_t, size_t{1} << 18> buffer_;
};

void unpack_gzip(Unpacking& work) {
  z_stream stream{};
  if (inflateInit2(&stream, MAX_WBITS + 16) != Z_OK)
    throw std::bad_alloc();  // + 16: with gzip header
  const std::unique_ptr<z_stream, decltype(&inflateEnd)> guard(&stream, &inflateEnd);
  std::string_view rest = work.packed();
  for (;;) {
    const size_t given = std::min(rest.size(), kInputPieceBytes);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(rest.data()));
    stream.avail_in = static_cast<uInt>(given);
    stream.next_out = work.buffer();
    stream.avail_out = static_cast<uInt>(work.buffer_size());
    const int code = inflate(&stream, Z_NO_FLUSH);
    rest.remove_prefix(given - stream.avail_in);
    const size_t produced = work.buffer_size() - stream.avail_out;
    work.accept(produced);

    const size_t offset = work.packed().size() - rest.size();
    if (code == Z_STREAM_END) {
      if (!rest.starts_with(kGzipMagic)) break;
      inflateReset(&stream);  // another member follows
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
      work.fail_corrupt(offset, stream.msg ? stream.msg : "not a gzip stream");
    } else if (rest.empty() && produced == 0) {
      work.fail_truncated();
    }
  }
  // Zeros are padding of tapes and block devices; anything else was not meant to be here.
  if (rest.find_first_not_of('\0') != rest.npos)
    work.fail_corrupt(work.packed().size() - rest.size(),
                      "other bytes follow the end of the stream");
}

void unpack_xz(Unpacking& work) {
  lzma_stream stream = LZMA_STREAM_INIT;
  if (lzma_stream_decoder(&stream, kXzMemoryBytes, LZMA_CONCATENATED) != LZMA_OK)
    throw std::bad_alloc();
  const std::unique_ptr<lzma_stream, decltype(&lzma_end)> guard(&stream, &lzma_end);
  stream.next_in = reinterpret_cast<const uint8_t*>(work.packed().data());
  stream.avail_in = work.packed().size();
  for (lzma_ret code = LZMA_OK; code != LZMA_STREAM_END;) {
    stream.next_out = work.buffer();
    stream.avail_out = work.buffer_size();
    code = lzma_code(&stream, LZMA_FINISH);
    work.accept(work.buffer_size() - stream.avail_out);
    if (code == LZMA_BUF_ERROR) work.fail_truncated();
    if (code == LZMA_MEMLIMIT_ERROR)
      work.fail_corrupt(stream.total_in, "its dictionary is larger than 1 GiB");
    if (code == LZMA_MEM_ERROR) throw std::bad_alloc();
    if (code != LZMA_OK && code != LZMA_STREAM_END)
      work.fail_corrupt(stream.total_in, "not a valid xz stream");
  }
}

}  // namespace

std::string read_maybe_gzip(const std::filesystem::path& path, uint64_t max_bytes) {
  std::string bytes = read_file(path);
  const bool is_gzip = bytes.starts_with(kGzipMagic);
  if (!is_gzip && !bytes.starts_with(kXzMagic)) return bytes;
  const auto work = std::make_unique<Unpacking>(bytes, path.string(), max_bytes);
  is_gzip ? unpack_gzip(*work) : unpack_xz(*work);
  return work->take();
}

}  // namespace equipoise::io
