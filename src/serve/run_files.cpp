#include "serve/run_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <memory>
#include <sstream>
#include <utility>

#include <fmt/format.h>

namespace equipoise::serve {
namespace {

constexpr int64_t kMaxFileBytes = int64_t{256} << 20;
// O_NONBLOCK: a pipe put in a file's place must not hold up the server.
constexpr int kReadOnly = O_RDONLY | O_CLOEXEC | O_NONBLOCK;

/// An open file or folder, or none.
class Handle {
 public:
  explicit Handle(int number) : number_(number) {}
  ~Handle() {
    if (number_ >= 0) ::close(number_);
  }
  Handle(Handle&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  bool is_open() const { return number_ >= 0; }
  int number() const { return number_; }
  int release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

Handle open_below(const Handle& folder, const std::string& part, int flags) {
  return Handle(::openat(folder.number(), part.c_str(), kReadOnly | O_NOFOLLOW | flags));
}

bool is_plain_name(const std::string& part) {
  return !part.empty() && part != "." && part != ".." && part.find('\0') == std::string::npos;
}

/// The parts of a relative path; none when one of them is not a plain name.
std::vector<std::string> plain_parts(std::string_view name) {
  std::vector<std::string> parts(1);
  for (const char c : name) {
    if (c == '/') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  if (!std::all_of(parts.begin(), parts.end(), is_plain_name)) parts.clear();
  return parts;
}

/// Part by part from the run's folder down, so that no link on the way is followed.
Handle open_inside(const std::filesystem::path& root, std::string_view name, int last_flags) {
  const std::vector<std::string> parts = plain_parts(name);
  if (parts.empty()) return Handle(-1);
  Handle place(::open(root.c_str(), kReadOnly | O_DIRECTORY));
  for (size_t i = 0; i < parts.size() && place.is_open(); ++i)
    place = open_below(place, parts[i], i + 1 < parts.size() ? O_DIRECTORY : last_flags);
  return place;
}

std::optional<struct stat> regular_file(const Handle& file) {
  struct stat status {};
  if (!file.is_open() || ::fstat(file.number(), &status) != 0 || !S_ISREG(status.st_mode))
    return std::nullopt;
  return status;
}

}  // namespace

std::optional<std::string> RunFiles::read(std::string_view name) const {
  const Handle file = open_inside(folder_, name, 0);
  const auto status = regular_file(file);
  if (!status || status->st_size > kMaxFileBytes) return std::nullopt;
  // The file may be growing: what it holds now is enough.
  std::string bytes(static_cast<size_t>(status->st_size), '\0');
  size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t count = ::read(file.number(), bytes.data() + filled, bytes.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::nullopt;
    if (count == 0) break;
    filled += static_cast<size_t>(count);
  }
  bytes.resize(filled);
  return bytes;
}

std::optional<int64_t> RunFiles::changed_sec(std::string_view name) const {
  const auto status = regular_file(open_inside(folder_, name, 0));
  if (!status) return std::nullopt;
  return status->st_mtim.tv_sec;
}

std::vector<std::string> RunFiles::names_in(std::string_view subfolder) const {
  std::vector<std::string> names;
  Handle folder = open_inside(folder_, subfolder, O_DIRECTORY);
  if (!folder.is_open()) return names;
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(folder.number()), ::closedir);
  if (!listing) return names;
  folder.release();  // the listing closes it
  while (const dirent* entry = ::readdir(listing.get())) {
    struct stat status {};
    const bool is_regular =
        ::fstatat(::dirfd(listing.get()), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(status.st_mode);
    if (entry->d_name[0] != '.' && is_regular) names.emplace_back(entry->d_name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Trying the lock would tell too, but could turn away a run that starts at that moment.
bool RunFiles::is_held() const {
  struct stat status {};
  if (::stat((folder_ / ".lock").c_str(), &status) != 0) return false;
  const std::string inode = fmt::format(":{}", status.st_ino);
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    // "7: FLOCK  ADVISORY  WRITE 4711 fe:00:1179823 0 EOF"
    std::istringstream words(line);
    std::string number, kind, mode, access, process, place;
    words >> number >> kind >> mode >> access >> process >> place;
    if (kind == "FLOCK" && place.ends_with(inode)) return true;
  }
  return false;
}

}  // namespace equipoise::serve
