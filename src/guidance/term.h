// Guidance terms: corrections applied while sampling, on models that are not trained again. Each is
// one file here and one entry of the registry; any number of them add up.
//
//   discriminator    steers towards what a discriminator takes for real (or for the reference set)
//   classifier       steers towards a class, by a classifier of noisy images
//   minority         steers towards rarely seen images, by a classifier of minority bins
//   classifier_free  exaggerates what a conditional model does with its condition
//   autoguidance     exaggerates the difference to a worse model
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "core/config.h"
#include "core/registry.h"
#include "diffusion/guidance.h"

namespace equipoise::guidance {

/// Where a term finds what it needs and was not told.
struct TermContext {
  /// The model that is sampled; a term's own network is sought beside it (`M.<term>.safetensors`).
  std::filesystem::path model;
  at::Device device = at::kCPU;
};

struct TermPlugin {
  /// Throws: UsageError for unknown options (nearest name offered); DataError for a damaged file.
  std::function<std::shared_ptr<const diffusion::Guidance>(const nlohmann::json& options,
                                                           const TermContext& context)>
      make;
  std::function<std::string()> options_help;  ///< one line an option
};

/// The family's name in messages.
struct Term {
  static constexpr const char* kFamily = "guidance term";
};
using TermRegistry = Registry<Term, TermPlugin>;

/// Registers term `Member`, made from its options and the context.
template <class Member, class Options>
bool register_term(const MethodInfo& info) {
  return TermRegistry::instance().add(
      info, {.make =
                 [where = "guidance." + info.name](const nlohmann::json& json,
                                                   const TermContext& context) {
                   Options options;
                   from_json(json, options, where);
                   return std::make_shared<const Member>(options, context);
                 },
             .options_help = [] { return help_text(Options{}); }});
}

/// The file a term's network lies in: `given`, or `M.<suffix>.safetensors` beside model M.
/// Throws: UsageError when neither was given or is there.
std::filesystem::path network_file(const std::string& given, const TermContext& context,
                                   const std::string& suffix);

/// Terms from a list of {"type": NAME, option: value, …}.
/// Throws: UsageError naming the term for unknown names and options.
std::vector<std::shared_ptr<const diffusion::Guidance>> make_terms(const nlohmann::json& terms,
                                                                   const TermContext& context);

}  // namespace equipoise::guidance
