// Where each of several processes that train one model keeps its files.
#pragma once

#include <filesystem>

#include "core/process_group.h"

namespace equipoise::pipeline {

/// The run's folder for the first process; for every other a copy of what is in it now, under the
/// system's temporary folder, removed with this object. So all go on from the same state, and none
/// writes where another reads. Every process of the group has to make one; the run's folder has to
/// be in reach of each.
class ProcessFolder {
 public:
  ProcessFolder(std::filesystem::path run, const ProcessGroup& processes);
  ~ProcessFolder();
  ProcessFolder(const ProcessFolder&) = delete;
  ProcessFolder& operator=(const ProcessFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  bool is_copy_;
};

}  // namespace equipoise::pipeline
