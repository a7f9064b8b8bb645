// Integers in a fixed byte order, whatever the machine's. Private to io.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace equipoise::io {

template <std::unsigned_integral Integer>
void append_little_endian(std::string& out, Integer value) {
  for (size_t i = 0; i < sizeof(Integer); ++i)
    out.push_back(static_cast<char>(static_cast<uint64_t>(value) >> (8 * i)));
}

/// `bytes` must hold sizeof(Integer) bytes from `offset` on.
template <std::unsigned_integral Integer>
Integer read_little_endian(std::string_view bytes, size_t offset = 0) {
  uint64_t value = 0;
  for (size_t i = sizeof(Integer); i-- > 0;)
    value = value << 8 | static_cast<uint8_t>(bytes[offset + i]);
  return static_cast<Integer>(value);
}

/// `bytes` must hold sizeof(Integer) bytes from `offset` on.
template <std::unsigned_integral Integer>
Integer read_big_endian(std::string_view bytes, size_t offset = 0) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(Integer); ++i)
    value = value << 8 | static_cast<uint8_t>(bytes[offset + i]);
  return static_cast<Integer>(value);
}

}  // namespace equipoise::io
