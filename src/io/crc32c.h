// CRC-32C (Castagnoli), the check sum of iSCSI (RFC 3720, section 12.1) and of TensorFlow's records.
#pragma once

#include <cstdint>
#include <string_view>

namespace equipoise::io {

/// Polynomial 0x1edc6f41, bits reflected, all ones before and inverted after:
/// crc32c("123456789") = 0xe3069283.
uint32_t crc32c(std::string_view bytes);

}  // namespace equipoise::io
