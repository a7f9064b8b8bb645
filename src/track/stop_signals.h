// Ctrl-C and SIGTERM ask a run to save and leave; asked again, it ends at once.
#pragma once

namespace equipoise::track {

/// While one of these lives, the first SIGINT or SIGTERM sets a flag and the second ends the
/// process as it would have without us. The former handlers return when it is destroyed. One at a
/// time.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  static bool requested();
};

}  // namespace equipoise::track
