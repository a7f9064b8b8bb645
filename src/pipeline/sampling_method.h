// How a model is sampled: solver, guidance terms and rejection, from their descriptions.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "diffusion/guided_denoiser.h"
#include "nets/network.h"
#include "samplers/rejection.h"
#include "samplers/sampler.h"

namespace equipoise::pipeline {

/// A method of sampling in words: what flags, configs and recipes hold.
struct SamplingMethod {
  nlohmann::json sampler{{"type", "heun"}};           ///< type and options
  nlohmann::json guidance = nlohmann::json::array();  ///< a list of types with options
  /// Options of samplers::RejectionConfig, with `model`, a discriminator file ("" =
  /// M.discriminator.safetensors beside model M), and `tables`, a recipe to take the constants from
  /// ("" = measure them); null = no rejection.
  nlohmann::json rejection = nullptr;

  nlohmann::ordered_json to_json() const;
  /// {"sampler": "heun:steps=18", "guidance": ["discriminator:weight=2"], "rejection":
  /// "percentile=0.75"}, as configs hold it; parts that are not there are left out.
  nlohmann::ordered_json to_text() const;
};

/// Reads "sampler", "guidance" and "rejection" from strings as flags give them
/// ("heun:steps=18", "discriminator:weight=2", "percentile=0.75").
/// Throws: UsageError for names, options and values that do not exist.
SamplingMethod parse_sampling_method(const std::string& sampler,
                                     const std::vector<std::string>& guidance,
                                     const std::optional<std::string>& rejection);

/// Whether it asks for the discriminator that lies beside its model.
bool needs_discriminator(const SamplingMethod& method);

/// The same, ready to use on one model.
struct ReadyMethod {
  std::unique_ptr<samplers::Sampler> sampler;
  diffusion::GuidedDenoiser::Terms terms;
  // Undefined without rejection.
  std::shared_ptr<const diffusion::DensityRatio> ratio;
  samplers::RejectionConfig rejection;
  std::optional<samplers::RejectionTables> tables;  ///< when they were read from a file
  std::filesystem::path discriminator;

  /// SHA-256 of each term's network, "" for a term without one.
  std::vector<std::string> guidance_sha256() const;
};

/// Throws: UsageError when a term or a discriminator does not fit the model, a term wants churn of a
/// solver without, or tables were made for another model, solver, guidance, discriminator or
/// percentile; DataError for damaged files.
ReadyMethod prepare(const SamplingMethod& method, const std::filesystem::path& model,
                    const nets::DataShape& shape, at::Device device);

}  // namespace equipoise::pipeline
