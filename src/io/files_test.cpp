#include "io/files.h"

#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "io/scratch_folder.h"

namespace equipoise::io {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;
using namespace std::string_literals;

size_t num_files(const ScratchFolder& folder) {
  const std::filesystem::directory_iterator files(folder.path());
  return static_cast<size_t>(std::distance(begin(files), end(files)));
}

TEST(ReadFile, ReturnsEveryByte) {
  const ScratchFolder folder;
  const std::string bytes("a\0b\r\n\xff", 6);
  write_file_atomically(folder / "x", bytes);
  EXPECT_EQ(read_file(folder / "x"), bytes);
  write_file_atomically(folder / "x", "");
  EXPECT_EQ(read_file(folder / "x"), "");
}

TEST(ReadFile, ReadsFilesWhoseSizeIsNotKnownBeforehand) {
  EXPECT_THAT(read_file("/proc/self/status"), HasSubstr("VmRSS"));
}

TEST(ReadFile, NamesAFileThatIsMissing) {
  EXPECT_THAT(
      [] { read_file("/no/such/file"); },
      ThrowsMessage<DataError>(AllOf(HasSubstr("/no/such/file"), HasSubstr("No such file"))));
}

TEST(ReadFile, RefusesAFolder) {
  const ScratchFolder folder;
  EXPECT_THAT([&] { read_file(folder.path()); },
              ThrowsMessage<DataError>(HasSubstr("is a folder")));
}

TEST(WriteFileAtomically, ReplacesAnOldFileAndLeavesNothingElse) {
  const ScratchFolder folder;
  write_file_atomically(folder / "x", "a long old text");
  write_file_atomically(folder / "x", "new");
  EXPECT_EQ(read_file(folder / "x"), "new");
  EXPECT_EQ(num_files(folder), 1);
}

TEST(WriteFileAtomically, WorksWithANameWithoutFolder) {
  const ScratchFolder folder;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  write_file_atomically("x", "here");
  std::filesystem::current_path(before);
  EXPECT_EQ(read_file(folder / "x"), "here");
}

TEST(WriteFileAtomically, RefusesAPathBelowAFile) {
  const ScratchFolder folder;
  write_file_atomically(folder / "x", "a file");
  EXPECT_THAT(
      [&] { write_file_atomically(folder / "x/y", "z"); },
      ThrowsMessage<EnvironmentError>(AllOf(HasSubstr("x/y"), HasSubstr("Not a directory"))));
}

TEST(WriteFileAtomically, NeverReplacesADevice) {
  EXPECT_THAT([] { write_file_atomically("/dev/null", "x"); },
              ThrowsMessage<EnvironmentError>(HasSubstr("not a regular file")));
  EXPECT_FALSE(std::filesystem::is_regular_file("/dev/null"));
}

/// While it lives, no file of this process can grow beyond `bytes`, as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : old_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &old_limit_);
    const rlimit limit{bytes, old_limit_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &old_limit_);
    std::signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit old_limit_{};
  void (*old_handler_)(int);
};

TEST(WriteFileAtomically, KeepsTheOldFileWhenTheNewOneDoesNotFit) {
  const ScratchFolder folder;
  write_file_atomically(folder / "x", "old");
  std::optional<FileSizeLimit> limit(1000);
  try {
    write_file_atomically(folder / "x", std::string(5000, 'n'));
    ADD_FAILURE() << "the limit did not hold";
  } catch (const EnvironmentError& error) {
    EXPECT_EQ(error.exit_code(), 5);
    EXPECT_THAT(error.what(), HasSubstr("cannot write the file"));
  }
  limit.reset();
  EXPECT_EQ(read_file(folder / "x"), "old");
  EXPECT_EQ(num_files(folder), 1);
}

TEST(AtomicFile, AppearsOnlyWhenCommitted) {
  const ScratchFolder folder;
  write_file_atomically(folder / "x", "old");
  AtomicFile file(folder / "x");
  file.write("ne");
  file.write("w");
  EXPECT_EQ(file.size(), 3);
  EXPECT_EQ(read_file(folder / "x"), "old");
  file.commit();
  EXPECT_EQ(read_file(folder / "x"), "new");
}

TEST(AtomicFile, LeavesNoTraceWhenAbandoned) {
  const ScratchFolder folder;
  { AtomicFile(folder / "x").write("half"); }
  EXPECT_EQ(num_files(folder), 0);
}

TEST(MappedFile, ShowsTheFileAndOutlivesItsOriginal) {
  const ScratchFolder folder;
  write_file_atomically(folder / "x", "mapped");
  std::optional<MappedFile> original(folder / "x");
  const MappedFile copy = *original;
  original.reset();
  EXPECT_EQ(copy.bytes(), "mapped");
}

TEST(MappedFile, MapsAnEmptyFile) {
  const ScratchFolder folder;
  write_file_atomically(folder / "x", "");
  EXPECT_TRUE(MappedFile(folder / "x").bytes().empty());
}

TEST(MappedFile, NamesAFileThatIsMissing) {
  EXPECT_THAT([] { MappedFile("/no/such/file"); },
              ThrowsMessage<DataError>(HasSubstr("/no/such/file")));
}

TEST(FileLock, KeepsOthersOutUntilReleased) {
  const ScratchFolder folder;
  {
    const FileLock lock(folder.path());
    EXPECT_THAT([&] { FileLock second(folder.path()); },
                ThrowsMessage<EnvironmentError>(AllOf(
                    HasSubstr(folder.path().string()),
                    HasSubstr("in use by another run (pid " + std::to_string(::getpid()) + ")"))));
  }
  EXPECT_NO_THROW(FileLock(folder.path()));
}

TEST(FileLock, NeedsTheFolder) {
  EXPECT_THAT([] { FileLock lock("/no/such/folder"); },
              ThrowsMessage<EnvironmentError>(HasSubstr("cannot lock the folder")));
}

}  // namespace
}  // namespace equipoise::io
