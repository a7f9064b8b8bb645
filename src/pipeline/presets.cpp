#include "pipeline/presets.h"

#include "core/spelling.h"
#include "pipeline/preset_files.h"

namespace equipoise::pipeline {
namespace {

/// "# Three digits rare." -> "Three digits rare."
std::string first_comment(const std::string& toml) {
  const std::string line = toml.substr(0, toml.find('\n'));
  const size_t begin = line.starts_with("#") ? line.find_first_not_of("# ") : line.npos;
  return begin == line.npos ? "" : line.substr(begin);
}

std::vector<Preset> read_presets() {
  std::vector<Preset> result;
  for (const PresetFile& file : preset_files())
    result.push_back({file.name, first_comment(file.toml), file.toml});
  return result;
}

}  // namespace

const std::vector<Preset>& presets() {
  static const std::vector<Preset> all = read_presets();
  return all;
}

const Preset& find_preset(const std::string& name) {
  std::vector<std::string> known;
  for (const Preset& preset : presets()) {
    if (preset.name == name) return preset;
    known.push_back(preset.name);
  }
  throw unknown_name("preset", name, known);
}

}  // namespace equipoise::pipeline
