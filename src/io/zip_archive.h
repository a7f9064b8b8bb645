// Zip archives: data sets of image files and npz files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "io/files.h"

namespace equipoise::io {

struct ZipEntry {
  std::string name;
  uint64_t size_bytes = 0;  ///< uncompressed, as the archive declares it
};

/// Reads entries, stored or deflated. Entries are read into memory under their names, never
/// extracted to disk, so names such as "../x" do no harm. Safe to use from several threads (they
/// take turns).
class ZipReader {
 public:
  /// Throws DataError when the file cannot be opened, is no zip archive, or is truncated.
  explicit ZipReader(std::filesystem::path path);
  ~ZipReader();
  ZipReader(ZipReader&&) noexcept;
  ZipReader& operator=(ZipReader&&) noexcept;

  /// In the archive's order; folders (names ending in '/') are left out.
  const std::vector<ZipEntry>& entries() const { return entries_; }
  bool contains(const std::string& name) const;
  /// Throws DataError when there is no such entry, its CRC is wrong, its data is damaged or
  /// encrypted, or its declared size is more than its compressed bytes can hold.
  std::string read(const std::string& name) const;
  const std::filesystem::path& path() const { return path_; }

 private:
  struct Archive;
  std::filesystem::path path_;
  std::unique_ptr<Archive> archive_;
  std::vector<ZipEntry> entries_;
};

/// Writes an archive of stored (uncompressed) entries as they come, holding none of them in memory.
///
/// The same entries give the same bytes: every entry carries the date 1980-01-01. Archives and
/// entries over 4 GiB, and more than 65535 entries, use the zip64 records. The file appears under
/// its name at `finish`.
class ZipWriter {
 public:
  /// Throws EnvironmentError when the file cannot be made.
  explicit ZipWriter(std::filesystem::path path);

  /// Adds an entry made of the given pieces, one after the other. Throws UsageError when the name
  /// is empty or taken, EnvironmentError when the disk is full.
  void add(const std::string& name, std::initializer_list<std::string_view> pieces);
  void add(const std::string& name, std::string_view bytes) { add(name, {bytes}); }
  /// Writes the directory and puts the file in place.
  void finish();

 private:
  struct Written {
    std::string name;
    uint32_t crc = 0;
    uint64_t size_bytes = 0;
    uint64_t offset = 0;  // of its local header
  };
  void write_directory();

  AtomicFile file_;
  std::vector<Written> entries_;
  std::unordered_set<std::string> names_;
};

}  // namespace equipoise::io
