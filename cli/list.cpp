// equipoise list: what the registries and the presets hold.
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "command.h"
#include "core/registry.h"
#include "data/dataset_reader.h"
#include "data/split_protocol.h"
#include "guidance/term.h"
#include "metrics/metric.h"
#include "nets/classifier.h"
#include "nets/discriminator.h"
#include "nets/extractors/feature_extractor.h"
#include "nets/network.h"
#include "objectives/objective.h"
#include "pipeline/presets.h"
#include "samplers/sampler.h"
#include "train/constraints/constraint.h"

namespace equipoise::cli {
namespace {

struct Listed {
  MethodInfo info;
  std::string role;     ///< what it is within its family, where that has several; else ""
  std::string options;  ///< one line each
};

template <class MethodRegistry>
std::vector<Listed> registered(const std::string& role = "") {
  std::vector<Listed> result;
  for (const auto& [name, entry] : MethodRegistry::instance().entries()) {
    Listed listed{.info = entry.info, .role = role, .options = ""};
    if constexpr (requires { entry.make.options_help; }) listed.options = entry.make.options_help();
    result.push_back(std::move(listed));
  }
  return result;
}

std::vector<Listed> list_networks() {
  std::vector<Listed> result = registered<nets::NetworkRegistry>("denoiser");
  for (auto& more : {registered<nets::DiscriminatorRegistry>("discriminator"),
                     registered<nets::ClassifierRegistry>("classifier")})
    result.insert(result.end(), more.begin(), more.end());
  return result;
}

/// The comment a preset opens with: what it is, what to expect, what it costs.
std::string opening_comment(const std::string& toml) {
  std::istringstream lines(toml);
  std::string text;
  for (std::string line; std::getline(lines, line) && line.starts_with("# ");)
    text += (text.empty() ? "" : "\n  ") + line.substr(2);
  return text;
}

std::vector<Listed> list_presets() {
  std::vector<Listed> result;
  for (const pipeline::Preset& preset : pipeline::presets())
    result.push_back({.info = {.name = preset.name,
                               .summary = opening_comment(preset.toml),
                               .source = "",
                               .use_when = ""},
                      .role = "",
                      .options = ""});
  return result;
}

struct Family {
  const char* name;
  std::function<std::vector<Listed>()> members;
};

const std::vector<Family>& families() {
  static const std::vector<Family> table = {
      {"objectives", [] { return registered<objectives::ObjectiveRegistry>(); }},
      {"constraints", [] { return registered<train::ConstraintRegistry>(); }},
      {"samplers", [] { return registered<samplers::SamplerRegistry>(); }},
      {"guidance", [] { return registered<guidance::TermRegistry>(); }},
      {"networks", list_networks},
      {"metrics", [] { return registered<metrics::MetricRegistry>(); }},
      {"extractors", [] { return registered<nets::FeatureExtractorRegistry>(); }},
      {"datasets", [] { return registered<data::DatasetRegistry>(); }},
      {"splits", [] { return registered<data::SplitProtocolRegistry>(); }},
      {"presets", list_presets},
  };
  return table;
}

std::vector<std::string> family_names() {
  std::vector<std::string> names;
  for (const Family& family : families()) names.push_back(family.name);
  return names;
}

std::vector<Listed> members_of(const std::string& name) {
  for (const Family& family : families())
    if (family.name == name) return family.members();
  throw unknown_name("family", name, family_names());
}

std::string indented(const std::string& text, const std::string& margin) {
  std::string result = margin;
  for (size_t i = 0; i < text.size(); ++i) {
    result += text[i];
    if (text[i] == '\n' && i + 1 < text.size()) result += margin;
  }
  return result;
}

std::string to_text(const Listed& listed) {
  const auto& [info, role, options] = listed;
  std::string text =
      fmt::format("{}{}\n  {}\n", info.name, role.empty() ? "" : " (" + role + ")", info.summary);
  if (!info.use_when.empty()) text += fmt::format("  use when: {}\n", info.use_when);
  if (!info.source.empty()) text += fmt::format("  source:   {}\n", info.source);
  if (!options.empty()) text += "  options:\n" + indented(options, "    ");
  return text + "\n";
}

nlohmann::ordered_json to_json(const std::vector<Listed>& members) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const auto& [info, role, options] : members) {
    nlohmann::ordered_json entry{{"name", info.name}, {"summary", info.summary}};
    for (const auto& [key, value] : {std::pair{"role", role},
                                     {"source", info.source},
                                     {"use_when", info.use_when},
                                     {"options", options}})
      if (!value.empty()) entry[key] = value;
    list.push_back(entry);
  }
  return list;
}

}  // namespace

Action declare_list(CLI::App& command) {
  struct Flags {
    std::string family;
    bool json = false;
  };
  auto flags = std::make_shared<Flags>();
  command.add_option("family", flags->family, "What to list")
      ->required()
      ->type_name(CLI::detail::join(family_names(), "|"));
  command.add_flag("--json", flags->json, "Print JSON");
  return [flags] {
    const std::vector<Listed> members = members_of(flags->family);
    if (flags->json) {
      fmt::print("{}\n", to_json(members).dump(2));
      return 0;
    }
    for (const Listed& listed : members) fmt::print("{}", to_text(listed));
    return 0;
  };
}

}  // namespace equipoise::cli
