// "0-63" or "0,5,7-9": which seeds to sample.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace equipoise::cli {

/// Numbers and ranges separated by commas, in the order given. Throws UsageError for anything else,
/// for a range that runs backwards and for more than 100 million seeds.
std::vector<int64_t> parse_seeds(const std::string& text);

}  // namespace equipoise::cli
