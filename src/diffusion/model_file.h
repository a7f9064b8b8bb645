// Model files: safetensors whose metadata says what network they hold, so that they load without
// any other file.
//
//   metadata  format = "equipoise.model" | "equipoise.discriminator" | "equipoise.classifier" |
//                      "equipoise.noisy_classifier"
//             format_version = "1"
//             config = JSON: what builds the network again
//             and whatever the writer adds (training options, provenance, …)
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "diffusion/precondition.h"
#include "nets/classifier.h"
#include "nets/discriminator.h"
#include "nets/state.h"

namespace equipoise::diffusion {

using Metadata = std::map<std::string, std::string>;

struct LoadedModel {
  std::shared_ptr<PreconditionedDenoiser> denoiser;
  ModelConfig config;
  Metadata metadata;  ///< what the writer added
};

/// Writes a denoiser (atomically). `tensors` are named as nets::state_of(denoiser) names them; an
/// EMA is written this way. Throws UsageError when the metadata uses one of the names above.
void save_model(const std::filesystem::path& path, const nets::NamedTensors& tensors,
                const ModelConfig& config, const Metadata& metadata = {});
void save_model(const std::filesystem::path& path, const PreconditionedDenoiser& denoiser,
                const ModelConfig& config, const Metadata& metadata = {});
/// Builds the network the file describes and loads its weights by name.
/// Throws DataError when the file is of another kind (saying which) or a newer version, and when
/// tensors are missing, unexpected or of another shape (the first few are listed).
LoadedModel load_model(const std::filesystem::path& path);

/// What builds a discriminator or a classifier again. `extra`: time map, prior, class names, …
struct NetworkDescription {
  nets::DataShape shape = {};
  nets::NetworkConfig network = {};
  nlohmann::json extra = nlohmann::json::object();
};

struct LoadedDiscriminator {
  std::shared_ptr<nets::DiscriminatorNetwork> network;
  NetworkDescription description;
  Metadata metadata;
};
struct LoadedClassifier {
  std::shared_ptr<nets::ClassifierNetwork> network;
  NetworkDescription description;
  Metadata metadata;
};

void save_discriminator(const std::filesystem::path& path, const nets::NamedTensors& tensors,
                        const NetworkDescription& description, const Metadata& metadata = {});
LoadedDiscriminator load_discriminator(const std::filesystem::path& path);
/// The same for classifiers of noisy images, whose network has an output a class.
void save_noisy_classifier(const std::filesystem::path& path, const nets::NamedTensors& tensors,
                           const NetworkDescription& description, const Metadata& metadata = {});
LoadedDiscriminator load_noisy_classifier(const std::filesystem::path& path);
void save_classifier(const std::filesystem::path& path, const nets::NamedTensors& tensors,
                     const NetworkDescription& description, const Metadata& metadata = {});
LoadedClassifier load_classifier(const std::filesystem::path& path);

/// `class_names` of a model's or network's `extra`; where it names none, as imported weights do,
/// classes are called 0, 1, … num_classes - 1.
std::vector<std::string> class_names(const nlohmann::json& extra, int64_t num_classes);

/// Throws UsageError naming `where` unless a network made for `model` can be used on data of shape
/// `data`: same resolution and channels, and the same number of classes when the model is
/// conditional.
void check_fits(const nets::DataShape& model, const nets::DataShape& data,
                const std::string& where);

/// {"resolution", "channels", "label_dim"} and back; the second throws DataError naming `where`.
nlohmann::json shape_to_json(const nets::DataShape& shape);
nets::DataShape shape_from_json(const nlohmann::json& json, const std::string& where);

}  // namespace equipoise::diffusion
