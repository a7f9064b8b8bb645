#include "io/hash.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "io/files.h"
#include "io/scratch_folder.h"

namespace equipoise::io {
namespace {

// FIPS 180-4's own examples.
constexpr const char* kOfNothing =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr const char* kOfAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr const char* kOfMillionA =
    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

TEST(Sha256, MatchesTheStandardsExamples) {
  EXPECT_EQ(sha256_hex(""), kOfNothing);
  EXPECT_EQ(sha256_hex("abc"), kOfAbc);
  EXPECT_EQ(sha256_hex(std::string(1'000'000, 'a')), kOfMillionA);
}

TEST(Sha256, DoesNotDependOnThePieces) {
  Sha256 hash;
  hash.update("a").update("");
  EXPECT_NE(hash.hex(), kOfAbc);
  EXPECT_EQ(hash.update("bc").hex(), kOfAbc) << "asking for the digest ended the hash";
}

TEST(Sha256, OfAFileIsThatOfItsBytes) {
  const ScratchFolder folder;
  write_file_atomically(folder / "x", "abc");
  EXPECT_EQ(sha256_of_file(folder / "x"), kOfAbc);
  write_file_atomically(folder / "x", "");
  EXPECT_EQ(sha256_of_file(folder / "x"), kOfNothing);
  EXPECT_THROW(sha256_of_file(folder / "missing"), DataError);
}

}  // namespace
}  // namespace equipoise::io
