#include "io/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "core/error.h"

namespace equipoise::io {
namespace {

namespace fs = std::filesystem;

std::string error_text(int error_number) {
  return std::generic_category().message(error_number);
}

/// Closes what it holds.
struct Descriptor {
  explicit Descriptor(int number) : number(number) {}
  ~Descriptor() { ::close(number); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  const int number;
};

int open_for_reading(const fs::path& path) {
  const int number = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (number < 0)
    throw DataError({.where = path.string(), .what = "cannot open the file: " + error_text(errno)});
  return number;
}

size_t size_of_open_file(const Descriptor& file, const fs::path& path) {
  struct stat status {};
  if (::fstat(file.number, &status) != 0)
    throw EnvironmentError(
        {.where = path.string(), .what = "cannot read the file: " + error_text(errno)});
  if (S_ISDIR(status.st_mode))
    throw DataError({.where = path.string(), .what = "is a folder", .expected = "a file"});
  return static_cast<size_t>(status.st_size);
}

/// Up to `capacity` bytes; fewer only at the end of the file.
size_t read_up_to(const Descriptor& file, char* out, size_t capacity, const fs::path& path) {
  size_t filled = 0;
  while (filled < capacity) {
    const ssize_t count = ::read(file.number, out + filled, capacity - filled);
    if (count == 0) break;
    if (count < 0 && errno != EINTR)
      throw EnvironmentError(
          {.where = path.string(), .what = "cannot read the file: " + error_text(errno)});
    filled += static_cast<size_t>(std::max<ssize_t>(count, 0));
  }
  return filled;
}

/// A name beside `path` that no other writer, in this process or another, has taken.
fs::path temporary_name(const fs::path& path) {
  static std::atomic<uint64_t> next_number{0};
  const std::string name =
      fmt::format(".{}.{}-{}.tmp", path.filename().string(), ::getpid(), next_number++);
  return path.parent_path() / name;
}

/// Makes a rename survive a power cut. Best effort: some file systems cannot sync a folder.
void sync_folder(const fs::path& file) {
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  const int number = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (number < 0) return;
  ::fsync(number);
  ::close(number);
}

std::string lock_holder(int descriptor) {
  char digits[32];
  const ssize_t count = ::pread(descriptor, digits, sizeof(digits), 0);
  std::string pid(digits, static_cast<size_t>(std::max<ssize_t>(count, 0)));
  const bool is_number = !pid.empty() && std::all_of(pid.begin(), pid.end(), ::isdigit);
  return is_number ? "pid " + pid : "pid unknown";
}

}  // namespace

std::string read_file(const fs::path& path) {
  const Descriptor file(open_for_reading(path));
  // One byte more than expected, so that one look sees the end; files of unknown size (pipes) take
  // more looks.
  std::string bytes(size_of_open_file(file, path) + 1, '\0');
  size_t filled = 0;
  for (;;) {
    filled += read_up_to(file, bytes.data() + filled, bytes.size() - filled, path);
    if (filled < bytes.size()) break;
    bytes.resize(2 * bytes.size() + 4096);
  }
  bytes.resize(filled);
  return bytes;
}

void write_file_atomically(const fs::path& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

void remove_abandoned_files(const fs::path& folder) {
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    std::error_code ignored;
    if (name.starts_with('.') && name.ends_with(".tmp")) fs::remove(entry.path(), ignored);
  }
}

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)) {
  std::error_code ignored;
  if (fs::exists(path_, ignored) && !fs::is_regular_file(path_, ignored))
    throw EnvironmentError(
        {.where = path_.string(), .what = "cannot be replaced: it is not a regular file"});
  do {
    temporary_ = temporary_name(path_);
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (descriptor_ < 0 && errno == EEXIST);
  if (descriptor_ < 0)
    throw EnvironmentError(
        {.where = path_.string(), .what = "cannot write the file: " + error_text(errno)});
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::fail(const std::string& what, int error_number) {
  throw EnvironmentError({.where = path_.string(),
                          .what = what + ": " + error_text(error_number),
                          .hint = "The file was left as it was before"});
}

void AtomicFile::write(std::string_view bytes) {
  EQUIPOISE_ASSERT(descriptor_ >= 0);
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor_, bytes.data(), bytes.size());
    if (count < 0 && errno != EINTR) fail("cannot write the file", errno);
    const size_t written = static_cast<size_t>(std::max<ssize_t>(count, 0));
    bytes.remove_prefix(written);
    size_ += written;
  }
}

void AtomicFile::commit() {
  EQUIPOISE_ASSERT(descriptor_ >= 0);
  if (::fsync(descriptor_) != 0) fail("cannot flush the file to disk", errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot put the file in place", errno);
  ::close(std::exchange(descriptor_, -1));
  sync_folder(path_);
}

MappedFile::MappedFile(const fs::path& path) {
  const Descriptor file(open_for_reading(path));
  size_ = size_of_open_file(file, path);
  if (size_ == 0) return;  // an empty range cannot be mapped
  void* memory = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.number, 0);
  if (memory == MAP_FAILED)
    throw EnvironmentError(
        {.where = path.string(), .what = "cannot map the file: " + error_text(errno)});
  memory_ =
      std::shared_ptr<const char>(static_cast<const char*>(memory),
                                  [memory, size = size_](const char*) { ::munmap(memory, size); });
}

FileLock::FileLock(const fs::path& folder) {
  const fs::path file = folder / ".lock";
  descriptor_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0)
    throw EnvironmentError(
        {.where = folder.string(), .what = "cannot lock the folder: " + error_text(errno)});
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    const int error_number = errno;
    const std::string holder = lock_holder(descriptor_);
    ::close(descriptor_);
    if (error_number == EWOULDBLOCK)
      throw EnvironmentError({.where = folder.string(),
                              .what = "the folder is in use by another run (" + holder + ")",
                              .hint = "Wait until it ends, or use another folder"});
    throw EnvironmentError(
        {.where = folder.string(), .what = "cannot lock the folder: " + error_text(error_number)});
  }
  // Only to tell others who holds the lock; on a full disk they read "pid unknown".
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(descriptor_, 0) == 0) (void)!::pwrite(descriptor_, pid.data(), pid.size(), 0);
}

// The file stays: deleting it would let a third run lock a new file while a second one waits on the
// old.
FileLock::~FileLock() {
  ::close(descriptor_);
}

}  // namespace equipoise::io
