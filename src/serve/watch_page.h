// The page of `equipoise serve` as HTML: the runs, the curves and the samples of those chosen.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "serve/run_view.h"

namespace equipoise::serve {

/// As many runs as there are colours to tell them apart by.
inline constexpr size_t kMaxDefaultChoice = 6;

/// Those that changed last, at most kMaxDefaultChoice, in the order of the list.
std::vector<size_t> default_choice(const std::vector<RunView>& runs);

/// The page. `chosen`: ids of the runs whose curves and samples are shown, in ascending order.
std::string watch_page(const std::vector<RunView>& runs, const std::vector<size_t>& chosen);

/// The three parts that the page's script exchanges: {"runs", "curves", "samples"}, each HTML.
nlohmann::json watch_parts(const std::vector<RunView>& runs, const std::vector<size_t>& chosen);

/// Policy of the page: its own scripts, style and images, and answers from its own server.
inline constexpr const char* kWatchPolicy =
    "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'";

}  // namespace equipoise::serve
