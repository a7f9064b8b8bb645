#include "io/idx.h"

#include <string>
#include <vector>

#include <fmt/format.h>

#include "core/error.h"
#include "io/byte_order.h"
#include "io/files.h"
#include "io/raw_tensor.h"

namespace equipoise::io {
namespace {

constexpr uint8_t kUnsignedByte = 0x08;

std::string type_name(uint8_t code) {
  switch (code) {
    case 0x09:
      return "signed bytes";
    case 0x0B:
      return "16-bit integers";
    case 0x0C:
      return "32-bit integers";
    case 0x0D:
      return "32-bit floats";
    case 0x0E:
      return "64-bit floats";
  }
  return fmt::format("type code {:#04x}", code);
}

void check_magic(std::string_view bytes, const std::string& where) {
  if (bytes.size() < 4 || bytes[0] != 0 || bytes[1] != 0 || bytes[3] == 0) {
    std::string first_bytes;
    for (char byte : bytes.substr(0, 4))
      first_bytes += fmt::format("{:02x} ", static_cast<uint8_t>(byte));
    throw DataError(
        {.where = where,
         .what = "is not an IDX file: wrong first bytes",
         .got = first_bytes.empty() ? "none" : first_bytes.substr(0, first_bytes.size() - 1),
         .expected = "00 00 08 and the number of dimensions"});
  }
  if (static_cast<uint8_t>(bytes[2]) != kUnsignedByte)
    throw DataError({.where = where,
                     .what = "IDX values of a type not supported",
                     .got = type_name(static_cast<uint8_t>(bytes[2])),
                     .expected = "unsigned bytes"});
}

}  // namespace

at::Tensor read_idx(const std::filesystem::path& path) {
  const std::string bytes = read_maybe_gzip(path);
  const std::string where = path.string();
  check_magic(bytes, where);
  const size_t rank = static_cast<uint8_t>(bytes[3]);
  const size_t header_size = 4 + 4 * rank;
  if (bytes.size() < header_size)
    throw DataError({.where = where,
                     .what = fmt::format("the IDX header of {} dimensions is truncated", rank),
                     .got = fmt::format("{} bytes", bytes.size()),
                     .expected = fmt::format("{} bytes", header_size)});
  std::vector<int64_t> shape;
  for (size_t i = 0; i < rank; ++i) shape.push_back(read_big_endian<uint32_t>(bytes, 4 + 4 * i));

  const std::string_view values = std::string_view(bytes).substr(header_size);
  const std::optional<uint64_t> declared = num_bytes(shape, at::kByte);
  if (declared != values.size())
    throw DataError(
        {.where = where,
         .what = fmt::format("the header says {} = {} bytes, the file holds {}", shape_text(shape),
                             declared ? std::to_string(*declared) : "over 2^63", values.size())});
  return tensor_from_bytes(values, shape, at::kByte);
}

}  // namespace equipoise::io
