// Reads event files back, written apart from what writes them. For tests only.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <protozero/pbf_reader.hpp>

#include "io/files.h"

namespace equipoise::track {

/// What one event says.
struct ReadEvent {
  double wall_time = 0;
  int64_t step = 0;
  std::string version;
  bool starts_session = false;
  std::string tag;
  float scalar = 0;
  int64_t height = 0, width = 0, channels = 0;
  std::string png;
  std::vector<double> limits, counts;
  double num = 0;
};

inline uint32_t crc_bit_by_bit(const std::string& bytes) {
  uint32_t remainder = 0xffffffffu;
  for (const char c : bytes) {
    for (int bit = 0; bit < 8; ++bit) {
      const uint32_t differs = (remainder ^ (static_cast<uint8_t>(c) >> bit)) & 1;
      remainder = (remainder >> 1) ^ (differs * 0x82f63b78u);
    }
  }
  return ~remainder;
}

/// Payloads of the whole records of a file; what is left behind the last one goes to `num_torn`.
/// A check sum that is wrong is a failure of the test.
inline std::vector<std::string> read_records(const std::filesystem::path& path, size_t& num_torn) {
  const std::string bytes = io::read_file(path);
  const auto number = [&](size_t at, size_t size) {
    uint64_t value = 0;
    std::memcpy(&value, bytes.data() + at, size);  // this machine is little-endian, as the file is
    return value;
  };
  const auto expect_check_sum = [&](size_t at, size_t size) {
    const uint32_t crc = crc_bit_by_bit(bytes.substr(at, size));
    EXPECT_EQ(number(at + size, 4), ((crc >> 15) | (crc << 17)) + 0xa282ead8u) << "at byte " << at;
  };
  std::vector<std::string> records;
  size_t at = 0;
  while (at + 16 <= bytes.size() && at + 16 + number(at, 8) <= bytes.size()) {
    const size_t size = number(at, 8);
    expect_check_sum(at, 8);
    expect_check_sum(at + 12, size);
    records.push_back(bytes.substr(at + 12, size));
    at += 16 + size;
  }
  num_torn = bytes.size() - at;
  return records;
}

inline std::vector<double> read_doubles(protozero::pbf_reader& reader) {
  const auto range = reader.get_packed_double();
  return {range.begin(), range.end()};
}

inline void read_value(protozero::pbf_reader value, ReadEvent& event) {
  while (value.next()) {
    if (value.tag() == 1) {
      event.tag = value.get_string();
    } else if (value.tag() == 2) {
      event.scalar = value.get_float();
    } else if (value.tag() == 4) {
      protozero::pbf_reader image = value.get_message();
      while (image.next()) {
        if (image.tag() == 1)
          event.height = image.get_int32();
        else if (image.tag() == 2)
          event.width = image.get_int32();
        else if (image.tag() == 3)
          event.channels = image.get_int32();
        else
          event.png = image.get_string();
      }
    } else {
      protozero::pbf_reader histogram = value.get_message();
      while (histogram.next()) {
        if (histogram.tag() == 3)
          event.num = histogram.get_double();
        else if (histogram.tag() == 6)
          event.limits = read_doubles(histogram);
        else if (histogram.tag() == 7)
          event.counts = read_doubles(histogram);
        else
          histogram.skip();
      }
    }
  }
}

inline ReadEvent read_event(const std::string& record) {
  ReadEvent event;
  protozero::pbf_reader message(record);
  while (message.next()) {
    if (message.tag() == 1)
      event.wall_time = message.get_double();
    else if (message.tag() == 2)
      event.step = message.get_int64();
    else if (message.tag() == 3)
      event.version = message.get_string();
    else if (message.tag() == 5) {
      protozero::pbf_reader summary = message.get_message();
      while (summary.next(1)) read_value(summary.get_message(), event);
    } else {
      protozero::pbf_reader session = message.get_message();
      event.starts_session = session.next(1) && session.get_enum() == 1;
    }
  }
  return event;
}

inline std::vector<ReadEvent> read_events(const std::filesystem::path& path) {
  size_t num_torn = 0;
  std::vector<ReadEvent> events;
  for (const std::string& record : read_records(path, num_torn))
    events.push_back(read_event(record));
  EXPECT_EQ(num_torn, 0u) << path;
  return events;
}

/// "TAG@STEP" of every summary.
inline std::vector<std::string> tags_and_steps(const std::vector<ReadEvent>& events) {
  std::vector<std::string> texts;
  for (const ReadEvent& event : events)
    if (!event.tag.empty()) texts.push_back(event.tag + "@" + std::to_string(event.step));
  return texts;
}

}  // namespace equipoise::track
