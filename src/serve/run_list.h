// The runs that are watched, in the order in which they came to light.
#pragma once

#include <filesystem>
#include <mutex>
#include <vector>

#include "serve/run_files.h"

namespace equipoise::serve {

/// Runs and folders of runs. A run keeps its place in the list, and thereby its address on the
/// page, for as long as the server lives; one that is begun meanwhile in a folder of runs joins at
/// the end. May be used from several threads.
class RunList {
 public:
  /// A folder with config.toml in it is a run; any other stands for the runs right below it (links
  /// left out).
  /// Throws UsageError when none is given, DataError when one is not a folder.
  explicit RunList(std::vector<std::filesystem::path> folders);

  /// All runs there are now.
  std::vector<RunFiles> runs();

 private:
  void add(const std::filesystem::path& run);

  std::mutex mutex_;
  std::vector<std::filesystem::path> folders_;
  std::vector<RunFiles> runs_;
};

}  // namespace equipoise::serve
