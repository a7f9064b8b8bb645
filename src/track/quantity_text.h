// Amounts as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace equipoise::track {

/// "12,288"
std::string grouped(int64_t value);
/// "9 s", "3 min 20 s", "2 h 05 min"
std::string duration_text(double seconds);

}  // namespace equipoise::track
