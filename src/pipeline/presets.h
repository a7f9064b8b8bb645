// The named configs of `configs/`, built into the program.
#pragma once

#include <string>
#include <vector>

namespace equipoise::pipeline {

struct Preset {
  std::string name;     ///< the file's name without .toml
  std::string summary;  ///< its first comment line
  std::string toml;
};

const std::vector<Preset>& presets();
/// Throws UsageError listing the known ones and the nearest.
const Preset& find_preset(const std::string& name);

}  // namespace equipoise::pipeline
