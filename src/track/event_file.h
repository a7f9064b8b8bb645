// TensorBoard's event files: events.out.tfevents.TIME.HOST, a row of records (io/tf_record.h) that
// each hold one protobuf message `Event` (tensorflow/core/util/event.proto). What is written is the
// oldest form of each message, which every TensorBoard reads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>

#include "track/value_histogram.h"

namespace equipoise::track {

/// One event file, written as things happen. Every event reaches the system at once; what a killed
/// process leaves is whole but for its last record, which readers leave out.
///
/// Throws: EnvironmentError when the folder or file cannot be made or the disk fails.
class EventFile {
 public:
  using Clock = std::function<double()>;  ///< seconds since 1970
  static double system_clock_sec();

  /// Starts a new file in `folder`, whose first record names the format, "brain.Event:2", and whose
  /// second tells TensorBoard that what earlier files of the folder hold is void: a resumed run
  /// tells its story again from the start.
  explicit EventFile(const std::filesystem::path& folder, Clock clock = system_clock_sec);

  void add_scalar(std::string_view tag, int64_t step, double value);
  /// `png`: the bytes of a PNG file. Throws DataError when they are not one.
  void add_image(std::string_view tag, int64_t step, const std::string& png);
  void add_histogram(std::string_view tag, int64_t step, const ValueHistogram& histogram);

  const std::filesystem::path& path() const { return path_; }

 private:
  void write(const std::string& event);

  Clock clock_;
  std::filesystem::path path_;
  std::ofstream file_;
};

}  // namespace equipoise::track
