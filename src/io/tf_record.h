// TensorFlow's record files: a plain row of framed byte strings.
#pragma once

#include <string>
#include <string_view>

namespace equipoise::io {

/// `payload` as one record:
///
///   length (8 bytes) | mask(crc32c(length)) (4) | payload | mask(crc32c(payload)) (4)
///   mask(crc) = ((crc >> 15) | (crc << 17)) + 0xa282ead8  (mod 2^32)
///
/// all integers little-endian. Records follow one another without a header or an end, so that a
/// file cut anywhere still holds every whole record before the cut.
std::string tf_record(std::string_view payload);

}  // namespace equipoise::io
