// Runs the built program from outside.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "io/scratch_folder.h"

namespace equipoise::e2e {

constexpr int kFails = 1, kUsage = 2, kData = 3, kEnvironment = 5;  ///< exit codes

using Arguments = std::vector<std::string>;

/// What became of a run of the program. Ended by signal s, its code is 128 + s.
struct Outcome {
  int code = 0;
  std::string out, err;
};

/// A process of the program; killed when it outlives this object.
class Program {
 public:
  /// Starts `launcher… equipoise arguments…`. Writing beyond `max_file_bytes` fails in it as a full
  /// disk would.
  explicit Program(const Arguments& arguments,
                   std::optional<uint64_t> max_file_bytes = std::nullopt,
                   const Arguments& launcher = {});
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void send(int signal);
  Outcome wait();

 private:
  io::ScratchFolder output_;
  pid_t process_ = -1;
};

inline Outcome equipoise(const Arguments& arguments) {
  return Program(arguments).wait();
}

/// Expects exit code `code` and one sentence on stderr, the last thing said, that holds every one
/// of `parts`.
void expect_failure(const Outcome& outcome, int code, const std::vector<std::string>& parts);

}  // namespace equipoise::e2e
