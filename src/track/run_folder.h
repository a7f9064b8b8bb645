// The folder a run writes into, held by one process at a time.
#pragma once

#include <filesystem>
#include <string>

#include "io/files.h"

namespace equipoise::track {

/// Creates or opens a run's folder with its subfolders models/ and samples/, and keeps other
/// processes out of it.
/// Throws EnvironmentError when the folder cannot be made or another run holds it.
class RunFolder {
 public:
  explicit RunFolder(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config() const { return path_ / "config.toml"; }
  std::filesystem::path stats() const { return path_ / "stats.jsonl"; }
  std::filesystem::path results() const { return path_ / "results.json"; }
  std::filesystem::path report() const { return path_ / "report.html"; }
  std::filesystem::path model(const std::string& name) const {
    return path_ / "models" / (name + ".safetensors");
  }
  std::filesystem::path samples(const std::string& name) const {
    return path_ / "samples" / (name + ".npz");
  }
  std::filesystem::path grid(const std::string& name) const {
    return path_ / "samples" / (name + ".png");
  }

 private:
  std::filesystem::path path_;
  io::FileLock lock_;
};

}  // namespace equipoise::track
