// Writes an image set in the form other tools read.
#pragma once

#include <filesystem>

#include "data/image_set.h"

namespace equipoise::data {

/// The EDM data set archive: stored PNG entries 00000/img00000000.png, … (1,000 a folder) and
/// dataset.json with `labels` (null without) and `class_names`; attributes go to a CSV beside it
/// (`X.csv` for `X.zip`). The same set gives the same bytes. Throws UsageError for vectors.
/// Reference: https://github.com/NVlabs/edm, dataset_tool.py.
void convert_to_zip(const ImageSet& set, const std::filesystem::path& out);

}  // namespace equipoise::data
