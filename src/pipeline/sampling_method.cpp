#include "pipeline/sampling_method.h"

#include <algorithm>

#include "core/config.h"
#include "core/error.h"
#include "core/named_options.h"
#include "diffusion/discriminator_ratio.h"
#include "diffusion/model_file.h"
#include "guidance/term.h"
#include "io/files.h"
#include "io/hash.h"

namespace equipoise::pipeline {
namespace {

using Json = nlohmann::json;

/// What [rejection] holds besides the options of the method itself.
struct RejectionOptions : samplers::RejectionConfig {
  std::string model = "";
  std::string tables = "";

  void fields(FieldVisitor& f) {
    f("model", model, "", "discriminator file; empty = M.discriminator.safetensors beside model M");
    f("tables", tables, "", "recipe of earlier samples whose constants are used; empty = measure");
    samplers::RejectionConfig::fields(f);
  }
};

RejectionOptions rejection_options(const Json& json) {
  RejectionOptions options;
  from_json(json, options, "rejection");
  return options;
}

/// The constants in `file`, which belong to a model, a solver, its guidance, a discriminator and the
/// quantile taken.
samplers::RejectionTables read_tables(const std::string& file, const SamplingMethod& method,
                                      const std::filesystem::path& model,
                                      const ReadyMethod& ready) {
  const Json recipe = Json::parse(io::read_file(file), nullptr, /*allow_exceptions=*/false);
  if (!recipe.is_object() || !recipe.value("rejection", Json()).is_object())
    throw DataError({.where = file,
                     .what = "not the recipe of samples with rejection",
                     .got = "",
                     .expected = "a JSON file that 'equipoise sample --rejection' wrote",
                     .hint = ""});
  const Json& rejection = recipe["rejection"];
  const samplers::RejectionConfig defaults;
  struct Belonging {
    std::string what;
    Json got, expected;
  };
  const Belonging all[] = {
      {"model", recipe.value("model_sha256", Json()), io::sha256_of_file(model)},
      {"sampler", recipe.value("sampler", Json()), method.sampler},
      {"guidance", recipe.value("guidance", Json()), method.guidance},
      {"network of a guidance term", recipe.value("guidance_sha256", Json()),
       ready.guidance_sha256()},
      {"discriminator", rejection.value("discriminator_sha256", Json()),
       io::sha256_of_file(ready.discriminator)},
      {"percentile", rejection.value("percentile", defaults.percentile),
       ready.rejection.percentile},
      {"allow_below_one", rejection.value("allow_below_one", defaults.allow_below_one),
       ready.rejection.allow_below_one}};
  for (const Belonging& one : all)
    if (one.got != one.expected)
      throw UsageError({.where = file,
                        .what = "these rejection constants were measured with another " + one.what,
                        .got = one.got.dump(),
                        .expected = one.expected.dump(),
                        .hint = "Leave tables out to measure them"});
  return samplers::tables_from_json(rejection.value("tables", Json()), file);
}

}  // namespace

std::vector<std::string> ReadyMethod::guidance_sha256() const {
  std::vector<std::string> hashes;
  for (const auto& term : terms)
    hashes.push_back(term->file().empty() ? "" : io::sha256_of_file(term->file()));
  return hashes;
}

nlohmann::ordered_json SamplingMethod::to_json() const {
  nlohmann::ordered_json json{{"sampler", sampler}};
  if (!guidance.empty()) json["guidance"] = guidance;
  if (!rejection.is_null()) json["rejection"] = rejection;
  return json;
}

nlohmann::ordered_json SamplingMethod::to_text() const {
  nlohmann::ordered_json json{{"sampler", named_options_text(sampler)}};
  for (const Json& term : guidance) json["guidance"].push_back(named_options_text(term));
  if (!rejection.is_null()) json["rejection"] = options_text(rejection);
  return json;
}

SamplingMethod parse_sampling_method(const std::string& sampler,
                                     const std::vector<std::string>& guidance,
                                     const std::optional<std::string>& rejection) {
  SamplingMethod method{.sampler = parse_named_options(sampler, "sampler " + sampler)};
  samplers::SamplerRegistry::instance()
      .find(method.sampler.at("type"))
      .make.make(options_of(method.sampler));
  for (const std::string& term : guidance) {
    method.guidance.push_back(parse_named_options(term, "guidance " + term));
    guidance::TermRegistry::instance().find(method.guidance.back().at("type"));
  }
  if (rejection) {
    method.rejection = parse_options(*rejection, "rejection");
    rejection_options(method.rejection);
  }
  return method;
}

bool needs_discriminator(const SamplingMethod& method) {
  const auto names_none = [](const Json& options) { return options.value("model", "").empty(); };
  if (!method.rejection.is_null() && names_none(method.rejection)) return true;
  return std::any_of(method.guidance.begin(), method.guidance.end(), [&](const Json& term) {
    return term.at("type") == "discriminator" && names_none(term);
  });
}

ReadyMethod prepare(const SamplingMethod& method, const std::filesystem::path& model,
                    const nets::DataShape& shape, at::Device device) {
  const guidance::TermContext context{.model = model, .device = device};
  ReadyMethod ready;
  ready.sampler = samplers::SamplerRegistry::instance()
                      .find(method.sampler.at("type"))
                      .make.make(options_of(method.sampler));
  ready.terms = guidance::make_terms(method.guidance, context);
  for (const auto& term : ready.terms) {
    term->check_fits(shape);
    if (term->wants_churn() && !ready.sampler->takes_churn())
      throw UsageError({.where = "guidance " + term->name() + ".boost",
                        .what = "this solver adds no noise on demand",
                        .got = method.sampler.at("type"),
                        .expected = "heun, euler or edm_family",
                        .hint = ""});
  }
  if (method.rejection.is_null()) return ready;
  const RejectionOptions options = rejection_options(method.rejection);
  ready.rejection = options;
  ready.discriminator = guidance::network_file(options.model, context, "discriminator");
  const diffusion::LoadedRatio loaded = diffusion::load_noisy_ratio(ready.discriminator, device);
  diffusion::check_fits(loaded.shape, shape, ready.discriminator.string());
  ready.ratio = loaded.ratio;
  if (!options.tables.empty()) ready.tables = read_tables(options.tables, method, model, ready);
  return ready;
}

}  // namespace equipoise::pipeline
