#include "io/idx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "io/files.h"
#include "io/scratch_folder.h"

namespace equipoise::io {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

class ReadIdx : public testing::Test {
 protected:
  at::Tensor read(const std::string& bytes) const {
    write_file_atomically(folder_ / "x.idx", bytes);
    return read_idx(folder_ / "x.idx");
  }
  void expect_refused(const std::string& bytes, const std::string& message) const {
    EXPECT_THAT([&] { read(bytes); }, ThrowsMessage<DataError>(HasSubstr("/x.idx] " + message)));
  }

 private:
  ScratchFolder folder_;
};

std::string cube(const std::string& values) {
  return std::string("\0\0\x08\3\0\0\0\2\0\0\0\1\0\0\0\3", 16) + values;
}

TEST_F(ReadIdx, ReturnsTheValuesInTheirShape) {
  EXPECT_TRUE(read(cube("\1\2\3\4\5\xff"))
                  .equal(at::tensor({1, 2, 3, 4, 5, 255}, at::kByte).reshape({2, 1, 3})));
  EXPECT_TRUE(
      read(std::string("\0\0\x08\1\0\0\0\2\7\x08", 10)).equal(at::tensor({7, 8}, at::kByte)));
  EXPECT_EQ(read(std::string("\0\0\x08\1\0\0\0\0", 8)).numel(), 0);
}

TEST_F(ReadIdx, ReadsGzip) {
  // printf '\0\0\010\1\0\0\0\2\7\010' | gzip -n9
  const std::string packed(
      "\x1f\x8b\x08\0\0\0\0\0\x02\x03\x63\x60\xe0\x60\x64\x60\x60\x60\x62\xe7\x00\0", 22);
  const std::string trailer("\xec\xb2\x06\xd4\x0a\0\0\0", 8);
  EXPECT_TRUE(read(packed + trailer).equal(at::tensor({7, 8}, at::kByte)));
}

TEST_F(ReadIdx, CountsWhatIsMissingOrLeftOver) {
  expect_refused(cube("\1\2\3\4\5"), "the header says 2 x 1 x 3 = 6 bytes, the file holds 5");
  expect_refused(cube("\1\2\3\4\5\6\7"), "the header says 2 x 1 x 3 = 6 bytes, the file holds 7");
  expect_refused(cube("").substr(0, 15),
                 "the IDX header of 3 dimensions is truncated: got 15 bytes, expected 16");
}

TEST_F(ReadIdx, RefusesSizesBeyondAllMemory) {
  const std::string huge = std::string("\0\0\x08\3", 4) + std::string(12, '\xff');
  expect_refused(huge, "the header says 4294967295 x 4294967295 x 4294967295 = over 2^63 bytes");
}

TEST_F(ReadIdx, SaysWhatTheFileIsInstead) {
  expect_refused("", "is not an IDX file: wrong first bytes: got none");
  expect_refused("PK\3\4", "is not an IDX file: wrong first bytes: got 50 4b 03 04");
  expect_refused(std::string("\0\0\x08\0", 4), "is not an IDX file");
  expect_refused(std::string("\0\0\x0d\1\0\0\0\0", 8),
                 "IDX values of a type not supported: got 32-bit floats");
  expect_refused(std::string("\0\0\x01\1\0\0\0\0", 8),
                 "IDX values of a type not supported: got type code 0x01");
}

}  // namespace
}  // namespace equipoise::io
