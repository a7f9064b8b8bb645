#include "track/stats.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "core/error.h"

namespace equipoise::track {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what,
                       int error_number) {
  throw EnvironmentError(
      {.where = path.string(), .what = what, .got = std::strerror(error_number)});
}

int open_for_writing(const std::filesystem::path& path, int extra_flags) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | extra_flags, 0644);
  if (descriptor < 0) fail(path, "the statistics file cannot be opened", errno);
  return descriptor;
}

}  // namespace

StatsWriter::StatsWriter(std::filesystem::path path, std::optional<int64_t> resume_offset)
    : path_(std::move(path)), offset_(resume_offset.value_or(0)) {
  // The file is checked before it is opened, so that a wrong checkpoint leaves it as it was.
  std::error_code missing;
  const auto size = static_cast<int64_t>(std::filesystem::file_size(path_, missing));
  if (offset_ > 0 && (missing || size < offset_)) {
    throw DataError({.where = path_.string(),
                     .what = "the statistics file does not belong to this checkpoint",
                     .got = missing ? "no such file" : fmt::format("{} bytes", size),
                     .expected = fmt::format("at least {}", offset_),
                     .hint = "Restore the file or start the run anew without --resume"});
  }
  descriptor_ = open_for_writing(path_, resume_offset ? 0 : O_TRUNC);
  if (resume_offset &&
      (::ftruncate(descriptor_, offset_) != 0 || ::lseek(descriptor_, offset_, SEEK_SET) < 0)) {
    const int error_number = errno;
    ::close(descriptor_);
    fail(path_, "the statistics file cannot be cut back to the checkpoint", error_number);
  }
}

StatsWriter::~StatsWriter() {
  ::close(descriptor_);
}

void StatsWriter::append(const nlohmann::ordered_json& record) {
  const std::string line = record.dump() + "\n";
  size_t written = 0;
  while (written < line.size()) {
    const ssize_t count = ::write(descriptor_, line.data() + written, line.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(path_, "a line of statistics cannot be written", errno);
    written += static_cast<size_t>(count);
  }
  offset_ += static_cast<int64_t>(line.size());
  if (observer_) observer_(record);
}

void StatsWriter::observe(std::function<void(const nlohmann::ordered_json&)> observer) {
  observer_ = std::move(observer);
}

int64_t StatsWriter::sync() {
  if (::fsync(descriptor_) != 0) fail(path_, "the statistics cannot be brought to the disk", errno);
  return offset_;
}

}  // namespace equipoise::track
