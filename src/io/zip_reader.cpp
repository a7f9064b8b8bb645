#include <zip.h>

#include <mutex>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "core/error.h"
#include "io/zip_archive.h"

namespace equipoise::io {
namespace {

constexpr uint64_t kMaxDeflateRatio = 1032;  // of the deflate format itself: 258 bytes from 2 bits

[[noreturn]] void fail(const std::string& where, const std::string& what) {
  throw DataError({.where = where, .what = what});
}

struct CloseEntry {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

/// Refuses what we cannot read, and sizes that cannot be true, before any memory is asked for.
void check_entry(const zip_stat_t& entry, uint64_t archive_size, const std::string& where) {
  if (entry.encryption_method != ZIP_EM_NONE) fail(where, "the entry is encrypted");
  if (entry.comp_method != ZIP_CM_STORE && entry.comp_method != ZIP_CM_DEFLATE)
    fail(where, fmt::format("the entry is compressed by method {}, neither stored nor deflated",
                            entry.comp_method));
  const bool is_stored = entry.comp_method == ZIP_CM_STORE;
  const bool is_possible = entry.comp_size <= archive_size &&
                           (is_stored ? entry.size == entry.comp_size
                                      : entry.size / kMaxDeflateRatio <= entry.comp_size);
  if (!is_possible)
    fail(where,
         fmt::format("the archive is damaged: the entry claims {} bytes from {} compressed ones",
                     entry.size, entry.comp_size));
}

}  // namespace

struct ZipReader::Archive {
  explicit Archive(const std::filesystem::path& path) {
    int code = 0;
    handle = zip_open(path.c_str(), ZIP_RDONLY, &code);
    if (handle) return;
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string text = zip_error_strerror(&error);
    zip_error_fini(&error);
    fail(path.string(), "cannot open the zip archive (truncated or not one): " + text);
  }
  ~Archive() { zip_discard(handle); }
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;

  zip_t* handle = nullptr;
  std::unordered_map<std::string, zip_uint64_t> positions;
  uint64_t file_size = 0;
  std::mutex mutex;  // a zip_t is for one thread at a time
};

ZipReader::ZipReader(std::filesystem::path path)
    : path_(std::move(path)), archive_(std::make_unique<Archive>(path_)) {
  archive_->file_size = std::filesystem::file_size(path_);
  const zip_int64_t count = zip_get_num_entries(archive_->handle, 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const auto position = static_cast<zip_uint64_t>(i);
    zip_stat_t entry;
    if (zip_stat_index(archive_->handle, position, 0, &entry) != 0)
      fail(path_.string(), fmt::format("the archive's directory is damaged at entry {}", i));
    const std::string name = entry.name;
    if (name.ends_with('/')) continue;
    if (!archive_->positions.emplace(name, position).second)
      fail(path_.string(), fmt::format("the archive holds two entries called '{}'", name));
    entries_.push_back({name, entry.size});
  }
}

ZipReader::~ZipReader() = default;
ZipReader::ZipReader(ZipReader&&) noexcept = default;
ZipReader& ZipReader::operator=(ZipReader&&) noexcept = default;

bool ZipReader::contains(const std::string& name) const {
  return archive_->positions.contains(name);
}

std::string ZipReader::read(const std::string& name) const {
  const auto found = archive_->positions.find(name);
  if (found == archive_->positions.end())
    fail(path_.string(), fmt::format("the archive has no entry '{}'", name));
  const std::string where = path_.string() + ": " + name;

  const std::lock_guard lock(archive_->mutex);
  zip_stat_t entry;
  EQUIPOISE_ASSERT(zip_stat_index(archive_->handle, found->second, 0, &entry) == 0);
  check_entry(entry, archive_->file_size, where);
  const std::unique_ptr<zip_file_t, CloseEntry> file(
      zip_fopen_index(archive_->handle, found->second, 0));
  if (!file) fail(where, std::string("cannot read the entry: ") + zip_strerror(archive_->handle));
  std::string bytes(entry.size, '\0');
  const zip_int64_t count = zip_fread(file.get(), bytes.data(), bytes.size());
  char beyond;  // the checksum is compared when the end is reached
  if (count < 0 || zip_fread(file.get(), &beyond, 1) < 0)
    fail(where, std::string("the entry is damaged: ") + zip_file_strerror(file.get()));
  if (static_cast<uint64_t>(count) != entry.size)
    fail(where,
         fmt::format("the entry is truncated: it claims {} bytes and holds {}", entry.size, count));
  return bytes;
}

}  // namespace equipoise::io
