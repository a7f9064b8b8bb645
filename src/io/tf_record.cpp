#include "io/tf_record.h"

#include "io/byte_order.h"
#include "io/crc32c.h"

namespace equipoise::io {
namespace {

// Masked, because a check sum over bytes that hold their own check sum is a weak one.
uint32_t masked_crc(std::string_view bytes) {
  const uint32_t crc = crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

}  // namespace

std::string tf_record(std::string_view payload) {
  std::string record;
  append_little_endian(record, uint64_t{payload.size()});
  append_little_endian(record, masked_crc(record));
  record += payload;
  append_little_endian(record, masked_crc(payload));
  return record;
}

}  // namespace equipoise::io
