// Test only: training that is asked to stop.
#pragma once

#include <cstdint>
#include <string>

#include "core/progress.h"

namespace equipoise::train {

/// Asks to stop after `steps` updates.
class StopAfter : public Progress {
 public:
  explicit StopAfter(int64_t steps) : left_(steps) {}
  void update(int64_t, const std::string&) override { --left_; }
  bool stop_requested() const override { return left_ <= 0; }

 private:
  int64_t left_;
};

}  // namespace equipoise::train
