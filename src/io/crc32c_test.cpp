#include "io/crc32c.h"

#include <gtest/gtest.h>

#include <string>

namespace equipoise::io {
namespace {

TEST(Crc32c, GivesTheCataloguesCheckValue) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(""), 0u);
}

// RFC 3720, appendix B.4; the RFC prints the bytes in the order they are sent.
TEST(Crc32c, GivesTheValuesOfRfc3720) {
  std::string rising, falling;
  for (int i = 0; i < 32; ++i) {
    rising += static_cast<char>(i);
    falling += static_cast<char>(31 - i);
  }
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(crc32c(rising), 0x46dd794eu);
  EXPECT_EQ(crc32c(falling), 0x113fdb5cu);
}

}  // namespace
}  // namespace equipoise::io
