#include "track/steady_clock.h"

#include <chrono>

namespace equipoise::track {

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace equipoise::track
