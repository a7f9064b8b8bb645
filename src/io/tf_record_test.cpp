#include "io/tf_record.h"

#include <gtest/gtest.h>

#include <string>

namespace equipoise::io {
namespace {

using namespace std::string_literals;

// The bytes were worked out apart, from the format's definition and a bitwise CRC.
TEST(TfRecord, FramesThePayloadByLengthAndCheckSums) {
  EXPECT_EQ(tf_record(""), "\0\0\0\0\0\0\0\0\x29\x03\x98\x07\xd8\xea\x82\xa2"s);
  EXPECT_EQ(tf_record("abc"),
            "\x03\0\0\0\0\0\0\0\xb0\x99\x49\x0e"
            "abc"
            "\x6e\x57\xf1\x21"s);
}

// Every event file that TensorFlow writes begins with these twelve bytes: its first record, the
// version, has 24.
TEST(TfRecord, BeginsAVersionRecordAsTensorFlowDoes) {
  EXPECT_EQ(tf_record(std::string(24, 'x')).substr(0, 12), "\x18\0\0\0\0\0\0\0\xa3\x7f\x4b\x22"s);
}

}  // namespace
}  // namespace equipoise::io
