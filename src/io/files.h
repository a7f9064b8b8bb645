// Whole files in and out: reading, mapping, decompressing, replacing a file in one step, locking a
// folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace equipoise::io {

/// The file's bytes. Throws DataError when it cannot be opened (missing, a folder, no permission)
/// and EnvironmentError when the disk fails while reading.
std::string read_file(const std::filesystem::path& path);

/// More than any data set needs decompressed, less than fills a machine: stops a small hostile
/// file.
inline constexpr uint64_t kMaxDecompressedBytes = uint64_t{8} << 30;

/// The file's bytes, decompressed when they begin with the magic bytes of gzip (1f 8b; several
/// members are joined) or xz (fd 37 7a 58 5a 00); the file's name is not looked at.
/// Throws DataError naming the offset in the file when the stream is truncated or corrupt, and
/// DataError when it unpacks to more than `max_bytes`.
std::string read_maybe_gzip(const std::filesystem::path& path,
                            uint64_t max_bytes = kMaxDecompressedBytes);

/// Replaces `path` by `bytes` in one step: readers see the old file or the new one, never half of
/// either.
/// Throws EnvironmentError (disk full, no permission, no such folder); the old file is then
/// untouched.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

/// Deletes from `folder` what writers that were killed left of the two above. Only for a folder
/// that no one else writes to.
void remove_abandoned_files(const std::filesystem::path& folder);

/// A file that appears under its name only once it is complete, for what is too large to build in
/// memory.
///
///   AtomicFile file(path);
///   for (...) file.write(piece);
///   file.commit();
///
/// Bytes go to a temporary file in the same folder; `commit` flushes it to disk and renames it over
/// `path`. Destroyed without `commit` (or after an error), the temporary file is removed and `path`
/// is as it was.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Appends. Throws EnvironmentError when the disk is full or fails.
  void write(std::string_view bytes);
  void commit();
  /// Bytes written so far: the offset of the next `write`.
  uint64_t size() const { return size_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  [[noreturn]] void fail(const std::string& what, int error_number);

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
  uint64_t size_ = 0;
};

/// A file's bytes as read-only memory, loaded by the kernel as they are touched. Copies share one
/// mapping, which lives as long as the last of them. The file must not be shortened meanwhile
/// (files replaced atomically are safe).
class MappedFile {
 public:
  /// Throws DataError when the file cannot be opened.
  explicit MappedFile(const std::filesystem::path& path);
  std::string_view bytes() const { return {memory_.get(), size_}; }

 private:
  std::shared_ptr<const char> memory_;
  size_t size_ = 0;
};

/// Holds a folder for this process until destroyed (flock on FOLDER/.lock, released by the kernel
/// even after a crash).
class FileLock {
 public:
  /// The folder must exist. Throws EnvironmentError "in use by another run (pid N)" when another
  /// holder is alive.
  explicit FileLock(const std::filesystem::path& folder);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int descriptor_ = -1;
};

}  // namespace equipoise::io
