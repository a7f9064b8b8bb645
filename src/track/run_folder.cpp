#include "track/run_folder.h"

#include <system_error>

#include "core/error.h"

namespace equipoise::track {
namespace {

std::filesystem::path make_folder(std::filesystem::path path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error || !std::filesystem::is_directory(path)) {
    throw EnvironmentError({.where = path.string(),
                            .what = "this run folder cannot be made",
                            .got = error ? error.message() : "a file of that name",
                            .expected = "a folder that can be written to",
                            .hint = "Give another folder with --out"});
  }
  return path;
}

}  // namespace

// The lock comes before the subfolders: nothing is touched in a folder that another run holds.
RunFolder::RunFolder(std::filesystem::path path)
    : path_(make_folder(std::move(path))), lock_(path_) {
  for (const std::filesystem::path& folder :
       {path_, make_folder(path_ / "models"), make_folder(path_ / "samples")})
    io::remove_abandoned_files(folder);
}

}  // namespace equipoise::track
