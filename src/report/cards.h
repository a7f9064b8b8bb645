// What is handed on with a model and with a data set: a model card (Mitchell et al. 2019,
// arXiv:1810.03993) and a data sheet (Gebru et al. 2021, arXiv:1803.09010), both as Markdown, filled
// in as far as a run knows. What only people can know stands there as a question to them.
#pragma once

#include <filesystem>
#include <string>

#include "report/results.h"

namespace equipoise::report {

/// Of one method of a run: what it is, how it was trained, what was measured, what was found; no
/// timings, so that the same run gives the same card. Begins with the front matter that model hubs
/// read.
std::string model_card(const Json& results, const Json& method);

/// Of the biased, reference and other sets that a run was made of.
std::string data_sheet(const Json& results);

/// Writes RUN_DIR/data-sheet.md and RUN_DIR/models/METHOD.md, each atomically, for every method that
/// has a model of its own. Throws what `load_results` throws, and EnvironmentError.
void write_cards(const std::filesystem::path& run_dir);

}  // namespace equipoise::report
