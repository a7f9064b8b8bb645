// Reading inside one run's folder and nowhere else, whatever name is asked for.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace equipoise::serve {

/// The files of one run. A name is a relative path of plain parts; one that is absolute, empty, has
/// "." or ".." in it, or leads over a symbolic link names nothing, as does whatever is not a
/// regular file. The folder itself may be reached over links: whoever started the server named it.
class RunFiles {
 public:
  explicit RunFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}

  const std::filesystem::path& folder() const { return folder_; }
  /// The file's bytes; nothing when the name names none, or one of more than 256 MiB.
  std::optional<std::string> read(std::string_view name) const;
  /// When the file was last written, seconds since 1970; nothing when the name names none.
  std::optional<int64_t> changed_sec(std::string_view name) const;
  /// Names of the regular files in a subfolder, sorted, hidden ones left out; none when there is no
  /// such folder.
  std::vector<std::string> names_in(std::string_view subfolder) const;
  /// Whether a process holds the folder (io::FileLock), as far as /proc/locks tells. The lock is
  /// not touched.
  bool is_held() const;

 private:
  std::filesystem::path folder_;
};

}  // namespace equipoise::serve
