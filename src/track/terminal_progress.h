// Progress for a person at a terminal, or for the log file that stands in for one.
#pragma once

#include <cstdio>
#include <functional>
#include <string>

#include "core/progress.h"
#include "track/stop_signals.h"

namespace equipoise::track {

/// Where one stage stands.
struct StageState {
  std::string stage;
  std::string unit;
  std::string note;
  int64_t total = 0;  ///< 0 = unknown
  int64_t done = 0;
  double rate = 0;  ///< units per second; 0 = not known yet
};

/// "Training TIW-DSM ━━━━━━────  61 %  12,288/20,000 images  412/s  19 s left  loss 0.123",
/// cut to `width` columns.
std::string progress_line(const StageState& state, int width);

/// Draws a bar. On a terminal one line is redrawn at most five times a second; elsewhere a line is
/// printed at most every ten seconds. A stage's end always prints one line. Turns Ctrl-C and
/// SIGTERM into `stop_requested`.
class TerminalProgress : public Progress {
 public:
  using Now = std::function<double()>;

  /// `is_terminal` and `now` are found out unless a test brings its own.
  explicit TerminalProgress(std::FILE* out);
  TerminalProgress(std::FILE* out, bool is_terminal, Now now);

  void begin(const std::string& stage, int64_t total, const std::string& unit) override;
  void update(int64_t done, const std::string& note = "") override;
  void end() override;
  void message(const std::string& text) override;
  bool stop_requested() const override;

 private:
  void draw();
  void erase_line();

  std::FILE* out_;
  bool is_terminal_;
  Now now_;
  StopSignals signals_;
  StageState state_;
  double begun_sec_ = 0;
  double drawn_sec_ = 0;
  double first_update_sec_ = 0;
  // A resumed stage starts in the middle: what was done before must not count as speed.
  int64_t first_done_ = -1;
  bool line_is_open_ = false;
};

}  // namespace equipoise::track
