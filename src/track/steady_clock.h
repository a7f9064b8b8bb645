// The clock that durations are measured with.
#pragma once

namespace equipoise::track {

/// Seconds from a fixed point in the past; never runs backwards.
double steady_seconds();

}  // namespace equipoise::track
