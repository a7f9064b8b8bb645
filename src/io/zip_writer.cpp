// Stored archives need two record kinds and a trailer, so we write them ourselves: libzip keeps
// every entry in memory until the archive is closed. Source: PKWARE APPNOTE 6.3, sections 4.3 and
// 4.5.3 (zip64).
#include <zlib.h>

#include <limits>
#include <utility>

#include "core/error.h"
#include "io/byte_order.h"
#include "io/zip_archive.h"

namespace equipoise::io {
namespace {

constexpr uint32_t kLocalHeader = 0x04034b50;
constexpr uint32_t kDirectoryHeader = 0x02014b50;
constexpr uint32_t kEndOfDirectory64 = 0x06064b50;
constexpr uint32_t kEndOfDirectory64Locator = 0x07064b50;
constexpr uint32_t kEndOfDirectory = 0x06054b50;
constexpr uint16_t kZip64Extra = 1;

constexpr uint16_t kVersion = 20;
constexpr uint16_t kVersionZip64 = 45;
constexpr uint16_t kMadeByUnix = 3 << 8;
constexpr uint32_t kRegularFile0644 = 0100644u << 16;
constexpr uint16_t kNameIsUtf8 = 1 << 11;
constexpr uint16_t kStored = 0;
constexpr uint16_t kMidnight = 0;
constexpr uint16_t kFirstOfJanuary1980 = 1 << 5 | 1;

constexpr uint16_t kSeeZip64Short = 0xffff;
constexpr uint32_t kSeeZip64 = 0xffffffff;

uint32_t or_see_zip64(uint64_t value, bool is_zip64) {
  return is_zip64 ? kSeeZip64 : static_cast<uint32_t>(value);
}

/// Little-endian fields, each of the width of its type.
template <class... Fields>
void append_fields(std::string& out, Fields... fields) {
  (append_little_endian(out, fields), ...);
}

uint32_t crc_of(std::initializer_list<std::string_view> pieces) {
  uLong crc = crc32_z(0, nullptr, 0);
  for (std::string_view piece : pieces)
    if (!piece.empty())
      crc = crc32_z(crc, reinterpret_cast<const Bytef*>(piece.data()), piece.size());
  return static_cast<uint32_t>(crc);
}

}  // namespace

ZipWriter::ZipWriter(std::filesystem::path path) : file_(std::move(path)) {}

void ZipWriter::add(const std::string& name, std::initializer_list<std::string_view> pieces) {
  if (name.empty() || name.size() > std::numeric_limits<uint16_t>::max())
    throw UsageError(
        {.where = file_.path().string(), .what = "a zip entry's name must have 1 to 65535 bytes"});
  if (!names_.insert(name).second)
    throw UsageError({.where = file_.path().string(),
                      .what = "the archive already has an entry '" + name + "'"});
  Written entry{.name = name, .crc = crc_of(pieces), .offset = file_.size()};
  for (std::string_view piece : pieces) entry.size_bytes += piece.size();

  const bool is_zip64 = entry.size_bytes >= kSeeZip64;
  const uint32_t size = or_see_zip64(entry.size_bytes, is_zip64);
  std::string header;
  append_fields(header, kLocalHeader, is_zip64 ? kVersionZip64 : kVersion, kNameIsUtf8, kStored,
                kMidnight, kFirstOfJanuary1980, entry.crc, size, size,
                static_cast<uint16_t>(name.size()), static_cast<uint16_t>(is_zip64 ? 20 : 0));
  header += name;
  if (is_zip64)
    append_fields(header, kZip64Extra, uint16_t{16}, entry.size_bytes, entry.size_bytes);
  file_.write(header);
  for (std::string_view piece : pieces) file_.write(piece);
  entries_.push_back(std::move(entry));
}

void ZipWriter::finish() {
  write_directory();
  file_.commit();
}

void ZipWriter::write_directory() {
  const uint64_t begin = file_.size();
  std::string records;
  for (const Written& entry : entries_) {
    const bool is_zip64 = entry.size_bytes >= kSeeZip64 || entry.offset >= kSeeZip64;
    const uint32_t size = or_see_zip64(entry.size_bytes, is_zip64);
    const uint16_t version = is_zip64 ? kVersionZip64 : kVersion;
    append_fields(
        records, kDirectoryHeader, static_cast<uint16_t>(kMadeByUnix | version), version,
        kNameIsUtf8, kStored, kMidnight, kFirstOfJanuary1980, entry.crc, size, size,
        static_cast<uint16_t>(entry.name.size()), static_cast<uint16_t>(is_zip64 ? 28 : 0),
        /*comment length*/ uint16_t{0}, /*disk*/ uint16_t{0}, /*internal attributes*/ uint16_t{0},
        kRegularFile0644, or_see_zip64(entry.offset, is_zip64));
    records += entry.name;
    if (is_zip64)
      append_fields(records, kZip64Extra, uint16_t{24}, entry.size_bytes, entry.size_bytes,
                    entry.offset);
  }

  const uint64_t count = entries_.size();
  const uint64_t size = records.size();
  const bool is_zip64 = count >= kSeeZip64Short || begin >= kSeeZip64 || size >= kSeeZip64;
  if (is_zip64) {
    append_fields(records, kEndOfDirectory64, /*bytes that follow*/ uint64_t{44},
                  static_cast<uint16_t>(kMadeByUnix | kVersionZip64), kVersionZip64,
                  /*disk*/ uint32_t{0},
                  /*directory's disk*/ uint32_t{0}, count, count, size, begin);
    append_fields(records, kEndOfDirectory64Locator, /*disk*/ uint32_t{0}, begin + size,
                  /*disks*/ uint32_t{1});
  }
  const uint16_t short_count = is_zip64 ? kSeeZip64Short : static_cast<uint16_t>(count);
  append_fields(records, kEndOfDirectory, /*disk*/ uint16_t{0}, /*directory's disk*/ uint16_t{0},
                short_count, short_count, or_see_zip64(size, is_zip64),
                or_see_zip64(begin, is_zip64),
                /*comment length*/ uint16_t{0});
  file_.write(records);
}

}  // namespace equipoise::io
