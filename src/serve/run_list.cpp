#include "serve/run_list.h"

#include <algorithm>
#include <system_error>

#include "core/error.h"

namespace equipoise::serve {
namespace {

namespace fs = std::filesystem;

bool is_run(const fs::path& folder) {
  return RunFiles(folder).changed_sec("config.toml").has_value();
}

/// The runs right below a folder, sorted by name; a folder that goes away meanwhile has none.
std::vector<fs::path> runs_below(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored))
    if (!entry.is_symlink(ignored) && entry.is_directory(ignored) && is_run(entry.path()))
      found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

RunList::RunList(std::vector<fs::path> folders) : folders_(std::move(folders)) {
  if (folders_.empty()) throw UsageError({.where = "RUNS", .what = "no folder of a run is named"});
  for (const fs::path& folder : folders_)
    if (!fs::is_directory(folder))
      throw DataError({.where = folder.string(),
                       .what = "cannot be watched",
                       .got = fs::exists(folder) ? "a file" : "no such folder",
                       .expected = "the folder of a run, or a folder of runs"});
}

std::vector<RunFiles> RunList::runs() {
  const std::lock_guard guard(mutex_);
  for (const fs::path& folder : folders_) {
    if (is_run(folder)) {
      add(folder);
    } else {
      for (const fs::path& run : runs_below(folder)) add(run);
    }
  }
  return runs_;
}

void RunList::add(const fs::path& run) {
  const bool is_known = std::any_of(runs_.begin(), runs_.end(),
                                    [&](const RunFiles& known) { return known.folder() == run; });
  if (!is_known) runs_.emplace_back(run);
}

}  // namespace equipoise::serve
