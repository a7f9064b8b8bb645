#include "diffusion/model_file.h"

#include <fmt/format.h>

#include "core/config.h"
#include "core/error.h"
#include "io/json_lines.h"
#include "io/safetensors.h"

namespace equipoise::diffusion {
namespace {

constexpr const char* kFormatKey = "format";
constexpr const char* kVersionKey = "format_version";
constexpr const char* kConfigKey = "config";
constexpr int64_t kVersion = 1;
const std::string kModel = "equipoise.model";
const std::string kDiscriminator = "equipoise.discriminator";
const std::string kNoisyClassifier = "equipoise.noisy_classifier";
const std::string kClassifier = "equipoise.classifier";

struct ShapeFields {
  nets::DataShape& shape;
  void fields(FieldVisitor& f) {
    f("resolution", shape.resolution, "pixels", "height and width; 0 for vectors", {0, 65536});
    f("channels", shape.channels, "", "channels, or the vector's length", {1, 1e6});
    f("label_dim", shape.label_dim, "", "number of classes; 0 = unconditional", {0, 1e6});
  }
};

void write(const std::filesystem::path& path, const nets::NamedTensors& tensors,
           const std::string& format, const nlohmann::json& config, const Metadata& metadata) {
  Metadata all{
      {kFormatKey, format}, {kVersionKey, std::to_string(kVersion)}, {kConfigKey, config.dump()}};
  for (const auto& [key, value] : metadata)
    if (!all.emplace(key, value).second)
      throw UsageError(
          {.where = path.string(),
           .what = fmt::format("the metadata name '{}' belongs to the file format", key),
           .got = "",
           .expected = "another name",
           .hint = ""});
  io::write_safetensors(path, tensors, all);
}

struct Contents {
  nets::NamedTensors tensors;
  nlohmann::json config;
  Metadata metadata;
};

void check_format(const Metadata& metadata, const std::string& format, const std::string& where) {
  const auto found = metadata.find(kFormatKey);
  if (found == metadata.end() || found->second != format)
    throw DataError(
        {.where = where,
         .what = "a file of another kind",
         .got = found == metadata.end() ? "safetensors without our format entry" : found->second,
         .expected = format,
         .hint = found == metadata.end() ? "`equipoise import` for weights made elsewhere" : ""});
  const auto version = metadata.find(kVersionKey);
  if (version == metadata.end() || version->second != std::to_string(kVersion))
    throw DataError({.where = where,
                     .what = "a version of the format this program does not read",
                     .got = version == metadata.end() ? "none" : version->second,
                     .expected = std::to_string(kVersion),
                     .hint = "a newer program"});
}

Contents read(const std::filesystem::path& path, const std::string& format) {
  const std::string where = path.string();
  io::SafetensorsFile file = io::read_safetensors(path);
  check_format(file.metadata, format, where);
  const auto config = file.metadata.find(kConfigKey);
  if (config == file.metadata.end())
    throw DataError({.where = where,
                     .what = "no config in the metadata",
                     .got = "",
                     .expected = "",
                     .hint = ""});
  Contents contents{std::move(file.tensors), io::parse_json(config->second, where + ": config"),
                    std::move(file.metadata)};
  for (const char* key : {kFormatKey, kVersionKey, kConfigKey}) contents.metadata.erase(key);
  return contents;
}

const nlohmann::json& entry(const nlohmann::json& config, const char* key,
                            const std::string& where) {
  const auto found = config.is_object() ? config.find(key) : config.end();
  if (config.is_object() && found != config.end()) return *found;
  throw DataError({.where = where,
                   .what = fmt::format("the config has no '{}'", key),
                   .got = config.dump().substr(0, 200),
                   .expected = "",
                   .hint = ""});
}

// A file that describes an impossible network is broken data, not a wrong command.
template <class Make>
auto make_from_file(const std::string& where, Make make) {
  try {
    return make();
  } catch (const UsageError& error) {
    throw DataError({.where = where,
                     .what = "the described network cannot be built",
                     .got = error.what(),
                     .expected = "",
                     .hint = ""});
  } catch (const nlohmann::json::exception& error) {
    throw DataError({.where = where,
                     .what = "malformed config",
                     .got = error.what(),
                     .expected = "",
                     .hint = ""});
  }
}

nlohmann::json describe(const NetworkDescription& description) {
  return {{"shape", shape_to_json(description.shape)},
          {"network", description.network},
          {"extra", description.extra}};
}

NetworkDescription description_of(const nlohmann::json& config, const std::string& where) {
  return {shape_from_json(entry(config, "shape", where), where), entry(config, "network", where),
          entry(config, "extra", where)};
}

LoadedDiscriminator load_judge(const std::filesystem::path& path, const std::string& format) {
  const std::string where = path.string();
  Contents contents = read(path, format);
  const NetworkDescription description = description_of(contents.config, where);
  auto network = make_from_file(where, [&] {
    return nets::make_discriminator_network(description.network, description.shape,
                                            /*init_seed=*/0);
  });
  nets::load_state(*network, contents.tensors, where);
  return {std::move(network), description, std::move(contents.metadata)};
}

}  // namespace

nlohmann::json shape_to_json(const nets::DataShape& shape) {
  nets::DataShape copy = shape;
  return to_json(ShapeFields{copy});
}

nets::DataShape shape_from_json(const nlohmann::json& json, const std::string& where) {
  nets::DataShape shape;
  ShapeFields reader{shape};
  make_from_file(where, [&] { from_json(json, reader, "shape"); });
  return shape;
}

void save_model(const std::filesystem::path& path, const nets::NamedTensors& tensors,
                const ModelConfig& config, const Metadata& metadata) {
  const nlohmann::json json{{"preconditioning", config.preconditioning},
                            {"sigma_data", config.sigma_data},
                            {"shape", shape_to_json(config.shape)},
                            {"network", config.network},
                            {"extra", config.extra}};
  write(path, tensors, kModel, json, metadata);
}

void save_model(const std::filesystem::path& path, const PreconditionedDenoiser& denoiser,
                const ModelConfig& config, const Metadata& metadata) {
  save_model(path, nets::state_of(denoiser), config, metadata);
}

LoadedModel load_model(const std::filesystem::path& path) {
  const std::string where = path.string();
  Contents contents = read(path, kModel);
  const ModelConfig config = make_from_file(where, [&] {
    return ModelConfig{entry(contents.config, "preconditioning", where).get<std::string>(),
                       entry(contents.config, "sigma_data", where).get<double>(),
                       shape_from_json(entry(contents.config, "shape", where), where),
                       entry(contents.config, "network", where),
                       entry(contents.config, "extra", where)};
  });
  auto denoiser = make_from_file(where, [&] { return make_denoiser(config, /*init_seed=*/0); });
  nets::load_state(*denoiser, contents.tensors, where);
  return {std::move(denoiser), config, std::move(contents.metadata)};
}

void save_discriminator(const std::filesystem::path& path, const nets::NamedTensors& tensors,
                        const NetworkDescription& description, const Metadata& metadata) {
  write(path, tensors, kDiscriminator, describe(description), metadata);
}

LoadedDiscriminator load_discriminator(const std::filesystem::path& path) {
  return load_judge(path, kDiscriminator);
}

void save_noisy_classifier(const std::filesystem::path& path, const nets::NamedTensors& tensors,
                           const NetworkDescription& description, const Metadata& metadata) {
  write(path, tensors, kNoisyClassifier, describe(description), metadata);
}

LoadedDiscriminator load_noisy_classifier(const std::filesystem::path& path) {
  return load_judge(path, kNoisyClassifier);
}

void save_classifier(const std::filesystem::path& path, const nets::NamedTensors& tensors,
                     const NetworkDescription& description, const Metadata& metadata) {
  write(path, tensors, kClassifier, describe(description), metadata);
}

LoadedClassifier load_classifier(const std::filesystem::path& path) {
  const std::string where = path.string();
  Contents contents = read(path, kClassifier);
  const NetworkDescription description = description_of(contents.config, where);
  auto network = make_from_file(where, [&] {
    return nets::make_classifier_network(description.network, description.shape, /*init_seed=*/0);
  });
  nets::load_state(*network, contents.tensors, where);
  return {std::move(network), description, std::move(contents.metadata)};
}

std::vector<std::string> class_names(const nlohmann::json& extra, int64_t num_classes) {
  auto names = extra.value("class_names", std::vector<std::string>{});
  if (names.empty())
    for (int64_t k = 0; k < num_classes; ++k) names.push_back(std::to_string(k));
  return names;
}

void check_fits(const nets::DataShape& model, const nets::DataShape& data,
                const std::string& where) {
  const auto text = [](const nets::DataShape& shape) {
    return shape.resolution > 0
               ? fmt::format("{0}x{0} images of {1} channels, {2} classes", shape.resolution,
                             shape.channels, shape.label_dim)
               : fmt::format("vectors of length {}, {} classes", shape.channels, shape.label_dim);
  };
  const bool classes_fit = model.label_dim == 0 || model.label_dim == data.label_dim;
  if (model.resolution == data.resolution && model.channels == data.channels && classes_fit) return;
  throw UsageError({.where = where,
                    .what = "the network does not fit the data",
                    .got = text(data),
                    .expected = text(model),
                    .hint = ""});
}

}  // namespace equipoise::diffusion
