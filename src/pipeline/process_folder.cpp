#include "pipeline/process_folder.h"

#include <unistd.h>

#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace equipoise::pipeline {
namespace {

namespace fs = std::filesystem;

fs::path copy_of(const fs::path& run, int64_t rank) {
  const fs::path copy =
      fs::temp_directory_path() / fmt::format("equipoise-process-{}-{}", rank, ::getpid());
  fs::create_directories(copy);
  if (fs::exists(run)) fs::copy(run, copy, fs::copy_options::recursive);
  return copy;
}

}  // namespace

ProcessFolder::ProcessFolder(fs::path run, const ProcessGroup& processes)
    : path_(std::move(run)), is_copy_(processes.rank() > 0) {
  if (is_copy_) path_ = copy_of(path_, processes.rank());
  // The first one may write once the others have read.
  processes.any(false);
}

ProcessFolder::~ProcessFolder() {
  std::error_code left_behind;
  if (is_copy_) fs::remove_all(path_, left_behind);
}

}  // namespace equipoise::pipeline
