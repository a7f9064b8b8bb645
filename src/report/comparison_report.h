// A comparison of runs as one offline HTML page, as Markdown, and as JSON.
#pragma once

#include <filesystem>
#include <string>

#include "report/comparison.h"

namespace equipoise::report {

/// The page, with the sample grids of every run. Throws DataError when samples are damaged.
std::string comparison_html(const Comparison& comparison);
std::string comparison_markdown(const Comparison& comparison);
/// docs/formats/comparison.md
Json comparison_json(const Comparison& comparison);

/// Writes the form that the name's ending asks for: .md, .json, otherwise the page; atomically.
/// Throws EnvironmentError when the disk fails.
void write_comparison(const Comparison& comparison, const std::filesystem::path& out_path);

}  // namespace equipoise::report
