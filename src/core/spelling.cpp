#include "core/spelling.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace equipoise {
namespace {

// Insertions, deletions, changes and swaps of neighbours (optimal string alignment).
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      d[i][j] = std::min({change, d[i - 1][j] + 1, d[i][j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::string nearest_name(const std::string& name, const std::vector<std::string>& known) {
  std::string best;
  size_t best_distance = std::max<size_t>(1, name.size() / 2) + 1;
  for (const std::string& candidate : known) {
    const size_t distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

UsageError unknown_name(const std::string& family, const std::string& name,
                        const std::vector<std::string>& known) {
  const std::string nearest = nearest_name(name, known);
  return UsageError({.where = family,
                     .what = fmt::format("unknown {} '{}'", family, name),
                     .got = "",
                     .expected = fmt::format("one of: {}", fmt::join(known, ", ")),
                     .hint = nearest.empty() ? "" : fmt::format("Did you mean '{}'?", nearest)});
}

}  // namespace equipoise
