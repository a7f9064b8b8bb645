#include "io/zip_archive.h"

#include <zip.h>

#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "io/files.h"
#include "io/scratch_folder.h"

namespace equipoise::io {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

class Zip : public testing::Test {
 protected:
  std::filesystem::path path() const { return folder_ / "x.zip"; }
  /// Writes what our own writer makes of the entries and returns its bytes.
  std::string write(const std::vector<std::pair<std::string, std::string>>& entries) const {
    ZipWriter writer(path());
    for (const auto& [name, bytes] : entries) writer.add(name, bytes);
    writer.finish();
    return read_file(path());
  }
  /// The same by libzip, compressed.
  std::string write_deflated(const std::string& name, const std::string& bytes) const {
    zip_t* archive = zip_open(path().c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
    zip_source_t* source = zip_source_buffer(archive, bytes.data(), bytes.size(), 0);
    const zip_int64_t index = zip_file_add(archive, name.c_str(), source, 0);
    EXPECT_EQ(
        zip_set_file_compression(archive, static_cast<zip_uint64_t>(index), ZIP_CM_DEFLATE, 9), 0);
    EXPECT_EQ(zip_close(archive), 0);
    return read_file(path());
  }
  void put(const std::string& archive) const { write_file_atomically(path(), archive); }

  ScratchFolder folder_;
};

/// Overwrites `bytes` at `offset`.
std::string patched(std::string archive, size_t offset, const std::string& bytes) {
  return archive.replace(offset, bytes.size(), bytes);
}

TEST_F(Zip, GivesBackWhatWasWritten) {
  const std::string binary("\0\xff\n", 3);
  write({{"b.bin", binary}, {"folder/ü.txt", "text"}, {"empty", ""}});
  const ZipReader reader(path());
  ASSERT_EQ(reader.entries().size(), 3);
  EXPECT_EQ(reader.entries()[0].name, "b.bin");
  EXPECT_EQ(reader.entries()[0].size_bytes, 3);
  EXPECT_EQ(reader.entries()[1].name, "folder/ü.txt");
  EXPECT_EQ(reader.read("b.bin"), binary);
  EXPECT_EQ(reader.read("folder/ü.txt"), "text");
  EXPECT_EQ(reader.read("empty"), "");
  EXPECT_TRUE(reader.contains("empty"));
  EXPECT_FALSE(reader.contains("full"));
}

TEST_F(Zip, HasTheBytesTheFormatAsksFor) {
  const std::string local(
      "PK\3\4\x14\0\0\x08\0\0\0\0\x21\0"  // version 2.0, UTF-8 name, stored, 00:00 on 1980-01-01
      "\xac\x2a\x93\xd8\2\0\0\0\2\0\0\0"  // CRC-32 of "hi", its length twice
      "\1\0\0\0",
      30);
  const std::string directory(
      "PK\1\2\x14\3\x14\0\0\x08\0\0\0\0\x21\0"
      "\xac\x2a\x93\xd8\2\0\0\0\2\0\0\0"
      "\1\0\0\0\0\0\0\0\0\0\0\0\xa4\x81\0\0\0\0",
      46);
  const std::string end("PK\5\6\0\0\0\0\1\0\1\0\x2f\0\0\0\x21\0\0\0\0\0", 22);
  EXPECT_EQ(write({{"a", "hi"}}), local + "ahi" + directory + "a" + end);
}

TEST_F(Zip, JoinsThePiecesOfAnEntry) {
  ZipWriter writer(path());
  writer.add("a", {"one ", "", "two"});
  writer.finish();
  EXPECT_EQ(ZipReader(path()).read("a"), "one two");
}

TEST_F(Zip, MayBeEmpty) {
  write({});
  EXPECT_TRUE(ZipReader(path()).entries().empty());
}

TEST_F(Zip, HoldsMoreEntriesThanSixteenBitsCount) {
  constexpr int kNumEntries = 66'000;
  ZipWriter writer(path());
  for (int i = 0; i < kNumEntries; ++i) writer.add(fmt::format("{}", i), fmt::format("<{}>", i));
  writer.finish();
  const ZipReader reader(path());
  EXPECT_EQ(reader.entries().size(), kNumEntries);
  EXPECT_EQ(reader.read("65999"), "<65999>");
}

TEST_F(Zip, ReadsDeflatedEntries) {
  const std::string text(100'000, 'x');
  EXPECT_LT(write_deflated("a", text).size(), 1000);
  EXPECT_EQ(ZipReader(path()).read("a"), text);
}

TEST_F(Zip, LeavesOutFolders) {
  write({{"folder/", ""}, {"folder/a", "x"}});
  const ZipReader reader(path());
  ASSERT_EQ(reader.entries().size(), 1);
  EXPECT_EQ(reader.entries()[0].name, "folder/a");
}

TEST_F(Zip, CanBeReadBySeveralThreads) {
  std::vector<std::pair<std::string, std::string>> entries;
  for (int i = 0; i < 200; ++i)
    entries.emplace_back(fmt::format("{}", i), std::string(1000, static_cast<char>(i)));
  write(entries);
  const ZipReader reader(path());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (const auto& [name, bytes] : entries) EXPECT_EQ(reader.read(name), bytes);
    });
  for (std::thread& thread : threads) thread.join();
}

TEST_F(Zip, AppearsOnlyWhenFinished) {
  { ZipWriter(path()).add("a", "x"); }
  EXPECT_FALSE(std::filesystem::exists(path()));
}

TEST_F(Zip, RefusesNamesItCannotWrite) {
  ZipWriter writer(path());
  writer.add("a", "x");
  EXPECT_THAT([&] { writer.add("a", "y"); },
              ThrowsMessage<UsageError>(HasSubstr("already has an entry 'a'")));
  EXPECT_THROW(writer.add("", "y"), UsageError);
  EXPECT_THROW(writer.add(std::string(65536, 'n'), "y"), UsageError);
}

TEST_F(Zip, NamesAnEntryThatIsMissing) {
  write({{"a", "x"}});
  EXPECT_THAT([&] { ZipReader(path()).read("b"); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("x.zip"), HasSubstr("no entry 'b'"))));
}

TEST_F(Zip, RefusesATruncatedArchive) {
  const std::string archive = write({{"a", "some text"}, {"b", "more"}});
  for (size_t length = 0; length < archive.size(); ++length) {
    put(archive.substr(0, length));
    EXPECT_THROW(ZipReader{path()}, DataError) << length << " bytes of " << archive.size();
  }
  put("no archive at all, but long enough to hold an end record");
  EXPECT_THAT([&] { ZipReader{path()}; },
              ThrowsMessage<DataError>(HasSubstr("x.zip] cannot open the zip archive")));
  EXPECT_THROW(ZipReader{folder_ / "missing"}, DataError);
}

TEST_F(Zip, NoticesAWrongChecksum) {
  const std::string archive = write({{"a", "some text"}});
  put(patched(archive, archive.find("text"), "TEXT"));
  EXPECT_THAT([&] { ZipReader(path()).read("a"); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("x.zip: a]"), HasSubstr("CRC"))));
}

TEST_F(Zip, NoticesDamagedCompression) {
  const std::string archive = write_deflated("a", std::string(100'000, 'x'));
  put(patched(archive, 40, std::string(20, '\xff')));
  EXPECT_THAT([&] { ZipReader(path()).read("a"); },
              ThrowsMessage<DataError>(HasSubstr("x.zip: a]")));
}

TEST_F(Zip, RefusesSizesThatCannotBeTrue) {
  const std::string stored = write({{"a", "some text"}});
  const size_t directory = stored.find("PK\1\2");
  put(patched(stored, directory + 24, "\xff\xff\xff\x7f"));
  EXPECT_THAT(
      [&] { ZipReader(path()).read("a"); },
      ThrowsMessage<DataError>(HasSubstr("claims 2147483647 bytes from 9 compressed ones")));

  const std::string deflated = write_deflated("a", std::string(1000, 'x'));
  put(patched(deflated, deflated.find("PK\1\2") + 24, "\xff\xff\xff\x7f"));
  EXPECT_THAT([&] { ZipReader(path()).read("a"); },
              ThrowsMessage<DataError>(HasSubstr("claims 2147483647 bytes")));
}

TEST_F(Zip, RefusesTwoEntriesOfOneName) {
  std::string archive = write({{"aa", "x"}, {"bb", "y"}});
  for (size_t at = archive.find("bb"); at != archive.npos; at = archive.find("bb"))
    archive.replace(at, 2, "aa");
  put(archive);
  EXPECT_THAT([&] { ZipReader{path()}; },
              ThrowsMessage<DataError>(HasSubstr("two entries called 'aa'")));
}

TEST_F(Zip, RefusesMethodsThatAreNotZips) {
  std::string archive = write({{"a", "x"}});
  put(patched(archive, archive.find("PK\1\2") + 10, std::string("\x0e\0", 2)));
  EXPECT_THAT([&] { ZipReader(path()).read("a"); },
              ThrowsMessage<DataError>(HasSubstr("compressed by method 14")));
}

}  // namespace
}  // namespace equipoise::io
