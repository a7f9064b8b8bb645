#include "diffusion/import_edm.h"

#include <map>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "core/error.h"
#include "core/spelling.h"
#include "diffusion/model_file.h"
#include "diffusion/named_weights.h"
#include "io/json_lines.h"
#include "io/safetensors.h"

namespace equipoise::diffusion {
namespace {

using nets::NamedTensors;

const std::string kEncoder = "model.enc.";

DataError not_a_network(const std::string& where, const std::string& missing) {
  return DataError({.where = where,
                    .what = "no network of the EDM release in this file",
                    .got = "no tensor " + missing,
                    .expected = "",
                    .hint = "tools/edm_to_safetensors.py makes such a file"});
}

std::string layer(int64_t resolution, const std::string& name) {
  return fmt::format("{0}{1}x{1}_{2}", kEncoder, resolution, name);
}

// The resolution in "model.enc.32x32_conv.weight", the only tensor of that form.
int64_t full_resolution(const NamedTensors& tensors, const std::string& where) {
  const std::string ending = "_conv.weight";
  for (const auto& [name, tensor] : tensors)
    if (name.rfind(kEncoder, 0) == 0 && name.size() > ending.size() && name.ends_with(ending))
      return std::strtoll(name.c_str() + kEncoder.size(), nullptr, 10);
  throw not_a_network(where, layer(0, "conv.weight"));
}

int64_t size_or(const NamedTensors& tensors, const std::string& name, int64_t axis,
                int64_t otherwise) {
  const auto found = tensors.find(name);
  return found == tensors.end() || found->second.dim() <= axis ? otherwise
                                                               : found->second.size(axis);
}

int64_t required_size(const NamedTensors& tensors, const std::string& name, int64_t axis,
                      const std::string& where) {
  const int64_t size = size_or(tensors, name, axis, 0);
  if (size == 0) throw not_a_network(where, name);
  return size;
}

bool has_layer(const NamedTensors& tensors, const std::string& part) {
  for (const auto& [name, tensor] : tensors)
    if (name.find(part) != std::string::npos) return true;
  return false;
}

// Rows of the kernel are the taps up to a factor; the least of them is taken as 1.
std::optional<std::vector<double>> resample_taps(const NamedTensors& tensors) {
  for (const auto& [name, tensor] : tensors) {
    if (!name.ends_with(".resample_filter") || tensor.dim() != 4) continue;
    const at::Tensor sums = tensor.to(at::kDouble).sum({0, 1, 2});
    const at::Tensor taps = (sums / sums.min()).round();
    return std::vector<double>(taps.data_ptr<double>(), taps.data_ptr<double>() + taps.numel());
  }
  return std::nullopt;
}

struct Levels {
  std::vector<int64_t> channels, attn_resolutions;
  int64_t num_blocks = 0;
};

Levels infer_levels(const NamedTensors& tensors, int64_t resolution) {
  Levels levels;
  while (tensors.count(
      layer(resolution, "block" + std::to_string(levels.num_blocks) + ".conv0.weight")))
    ++levels.num_blocks;
  for (; resolution > 0; resolution /= 2) {
    const int64_t channels = size_or(tensors, layer(resolution, "block0.conv0.weight"), 0, 0);
    if (channels == 0) break;
    levels.channels.push_back(channels);
    if (tensors.count(layer(resolution, "block0.qkv.weight")))
      levels.attn_resolutions.push_back(resolution);
  }
  return levels;
}

// Entry `key` of the config file or, failing that, of the metadata, where it is JSON in a string.
nlohmann::json object_entry(const nlohmann::json& given, const char* key,
                            const std::string& where) {
  const auto found = given.find(key);
  if (found == given.end()) return nlohmann::json::object();
  nlohmann::json value =
      found->is_string() ? io::parse_json(found->get<std::string>(), where + ": " + key) : *found;
  if (value.is_object()) return value;
  throw DataError({.where = where + ": " + key,
                   .what = "not a JSON object",
                   .got = value.dump().substr(0, 100),
                   .expected = "{…}",
                   .hint = ""});
}

std::string preconditioning_of(const nlohmann::json& given, bool has_levels,
                               const std::string& where) {
  static const std::map<std::string, std::string> kNames{
      {"EDMPrecond", "edm"}, {"VPPrecond", "vp"}, {"VEPrecond", "ve"}, {"iDDPMPrecond", "iddpm"}};
  const auto found = given.find("precond");
  if (found == given.end() && has_levels) return "iddpm";
  if (found == given.end() || !found->is_string())
    throw UsageError({.where = where,
                      .what = "nothing says which preconditioning the weights were trained with",
                      .got = "",
                      .expected = "\"precond\" in the metadata or the config file",
                      .hint = "EDMPrecond, VPPrecond, VEPrecond or iDDPMPrecond"});
  const auto known = kNames.find(found->get<std::string>());
  if (known != kNames.end()) return known->second;
  std::vector<std::string> names;
  for (const auto& [name, ours] : kNames) names.push_back(name);
  throw unknown_name("precond", found->get<std::string>(), names);
}

void read_interface(const nlohmann::json& interface, ModelConfig& config,
                    const std::string& where) {
  for (const auto& [key, value] : interface.items()) {
    if (key == "use_fp16") continue;
    if (!value.is_number())
      throw DataError({.where = where + ": interface." + key,
                       .what = "not a number",
                       .got = value.dump().substr(0, 100),
                       .expected = "",
                       .hint = ""});
    if (key == "img_resolution")
      config.shape.resolution = value.get<int64_t>();
    else if (key == "img_channels")
      config.shape.channels = value.get<int64_t>();
    else if (key == "label_dim")
      config.shape.label_dim = value.get<int64_t>();
    else if (key == "sigma_data" && config.preconditioning == "edm")
      config.sigma_data = value.get<double>();
    else
      throw unknown_name("interface option", key,
                         {"img_resolution", "img_channels", "label_dim", "sigma_data"});
  }
}

// `model` over what the tensors tell, with the release's "model_type" under our name.
nets::NetworkConfig merge_network(nets::NetworkConfig inferred, nlohmann::json model) {
  if (const auto type = model.find("model_type"); type != model.end()) {
    inferred["type"] = *type;
    model.erase(type);
  }
  inferred.update(model);
  return inferred;
}

NamedTensors read_network(io::SafetensorsFile file, const std::string& prefix,
                          const std::string& where) {
  NamedTensors tensors = tensors_of_network(std::move(file.tensors), prefix, kEncoder, where);
  if (tensors.empty()) throw not_a_network(where, prefix + kEncoder + "…");
  return tensors;
}

nlohmann::json given_config(const Metadata& metadata, const std::filesystem::path& path) {
  nlohmann::json given = metadata;
  if (path.empty()) return given;
  const nlohmann::json file = io::read_json(path);
  if (!file.is_object())
    throw DataError({.where = path.string(),
                     .what = "not a JSON object",
                     .got = "",
                     .expected = "{…}",
                     .hint = ""});
  given.update(file);
  return given;
}

}  // namespace

nets::DataShape infer_shape(const NamedTensors& tensors, const std::string& where) {
  const int64_t resolution = full_resolution(tensors, where);
  return {resolution, required_size(tensors, layer(resolution, "conv.weight"), 1, where),
          size_or(tensors, "model.map_label.weight", 1, 0)};
}

nets::NetworkConfig infer_network(const NamedTensors& tensors, const std::string& where) {
  const int64_t resolution = full_resolution(tensors, where);
  const bool is_dhariwal = tensors.count("model.out_norm.weight") > 0;
  const int64_t first_channels = required_size(tensors, layer(resolution, "conv.weight"), 0, where);
  const int64_t noise_channels = size_or(tensors, "model.map_layer0.weight", 1, first_channels);
  const int64_t model_channels = is_dhariwal ? noise_channels : first_channels;
  const int64_t emb_channels =
      required_size(tensors, layer(resolution, "block0.affine.weight"), 1, where);
  Levels levels = infer_levels(tensors, resolution);
  for (int64_t& channels : levels.channels) channels /= model_channels;

  nets::NetworkConfig config{{"type", is_dhariwal ? "DhariwalUNet" : "SongUNet"},
                             {"model_channels", model_channels},
                             {"channel_mult", levels.channels},
                             {"channel_mult_emb", emb_channels / model_channels},
                             {"num_blocks", levels.num_blocks},
                             {"attn_resolutions", levels.attn_resolutions},
                             {"augment_dim", size_or(tensors, "model.map_augment.weight", 1, 0)}};
  if (is_dhariwal) return config;
  const bool is_blind = tensors.count("model.map_layer0.weight") == 0;
  config["channel_mult_noise"] = noise_channels / model_channels;
  config["embedding_type"] = is_blind                                 ? "zero"
                             : tensors.count("model.map_noise.freqs") ? "fourier"
                                                                      : "positional";
  config["encoder_type"] = has_layer(tensors, "_aux_residual.") ? "residual"
                           : has_layer(tensors, "_aux_skip.")   ? "skip"
                                                                : "standard";
  config["decoder_type"] = has_layer(tensors, "_aux_up.") ? "skip" : "standard";
  if (const auto taps = resample_taps(tensors)) config["resample_filter"] = *taps;
  return config;
}

ModelConfig import_edm(const std::filesystem::path& weights, const ImportOptions& options,
                       const std::filesystem::path& out) {
  const std::string where = weights.string();
  io::SafetensorsFile file = io::read_safetensors(weights);
  const nlohmann::json given = given_config(file.metadata, options.config);
  const NamedTensors tensors = read_network(std::move(file), options.prefix, where);

  ModelConfig config;
  config.preconditioning = preconditioning_of(given, tensors.count("u") > 0, where);
  config.shape = infer_shape(tensors, where);
  read_interface(object_entry(given, "interface", where), config, where);
  config.network =
      merge_network(infer_network(tensors, where), object_entry(given, "model", where));
  config.extra = {{"imported_from", weights.filename().string()}};

  const auto denoiser = make_denoiser(config, /*init_seed=*/0);
  nets::load_state(*denoiser, tensors, where);
  save_model(out, *denoiser, config);
  return config;
}

}  // namespace equipoise::diffusion
