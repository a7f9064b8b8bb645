// How long work tells a person where it stands. The library reports; the command line draws the
// bar.
#pragma once

#include <cstdint>
#include <string>

namespace equipoise {

/// Receives progress of one stage after another. The default does nothing.
class Progress {
 public:
  virtual ~Progress() = default;
  virtual void begin(const std::string& /*stage*/, int64_t /*total*/, const std::string& /*unit*/) {
  }
  /// `done` so far of the current stage; `note` is a short status such as "loss 0.123".
  virtual void update(int64_t /*done*/, const std::string& /*note*/ = "") {}
  virtual void end() {}
  /// One line for the user that must not be lost: a warning, or what was found.
  virtual void message(const std::string& /*text*/) {}
  /// True once the user asked to stop (Ctrl-C, SIGTERM): save and leave.
  virtual bool stop_requested() const { return false; }
};

}  // namespace equipoise
