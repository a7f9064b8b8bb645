// `stats.jsonl`: what happened during a run, one JSON object a line, written as it happens.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>

#include <nlohmann/json.hpp>

namespace equipoise::track {

/// Appends records to a stats file. A checkpoint stores `sync()`'s offset; a resumed run hands it
/// back, what was written after the checkpoint is cut off, and the file continues as if the run had
/// never stopped.
class StatsWriter {
 public:
  /// Starts the file anew, or at `resume_offset` bytes into it.
  /// Throws DataError when the file is shorter than that, EnvironmentError when it cannot be
  /// opened.
  explicit StatsWriter(std::filesystem::path path,
                       std::optional<int64_t> resume_offset = std::nullopt);
  ~StatsWriter();
  StatsWriter(const StatsWriter&) = delete;
  StatsWriter& operator=(const StatsWriter&) = delete;

  /// Hands one line to the system, so that it survives the end of this process however it ends.
  /// Throws EnvironmentError when the disk is full or fails.
  void append(const nlohmann::ordered_json& record);
  /// `observer` is handed every record from now on, once it is written.
  void observe(std::function<void(const nlohmann::ordered_json&)> observer);
  /// Waits until every line is on the disk; returns the file's length in bytes.
  int64_t sync();

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  int64_t offset_ = 0;
  std::function<void(const nlohmann::ordered_json&)> observer_;
};

}  // namespace equipoise::track
