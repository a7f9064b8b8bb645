#include "diffusion/import_adm.h"

#include <algorithm>
#include <map>
#include <string>

#include <fmt/format.h>

#include "core/config.h"
#include "core/error.h"
#include "diffusion/ddpm_schedule.h"
#include "diffusion/model_file.h"
#include "diffusion/named_weights.h"
#include "io/json_lines.h"
#include "io/safetensors.h"

namespace equipoise::diffusion {
namespace {

using nets::NamedTensors;

const std::string kFirstWeight = "input_blocks.0.0.weight", kLabelWeight = "label_emb.weight";

/// The release's flags and their defaults; -1 and "" mean "not given" there.
struct Flags {
  int64_t image_size = 64, num_channels = 128, num_res_blocks = 2;
  int64_t num_heads = 4, num_heads_upsample = -1, num_head_channels = -1;
  std::string attention_resolutions = "16,8", channel_mult;
  double dropout = 0;
  bool class_cond = false, learn_sigma = false, use_scale_shift_norm = true,
       resblock_updown = false, use_new_attention_order = false;
  std::string noise_schedule = "linear";
  int64_t diffusion_steps = 1000;
  bool predict_xstart = false, rescale_timesteps = false;

  void fields(FieldVisitor& f) {
    f("image_size", image_size, "pixels", "height and width", {1, 4096});
    f("num_channels", num_channels, "", "channels the multipliers multiply", {32, 4096});
    f("num_res_blocks", num_res_blocks, "", "residual blocks a level", {1, 64});
    f("num_heads", num_heads, "", "attention heads", {1, 4096});
    f("num_heads_upsample", num_heads_upsample, "", "the same on the way up", {-1, 4096});
    f("num_head_channels", num_head_channels, "", "channels of a head", {-1, 4096});
    f("attention_resolutions", attention_resolutions, "pixels", "resolutions with attention");
    f("channel_mult", channel_mult, "", "channel multiplier of each level");
    f("dropout", dropout, "", "probability of zeroing an activation", {0, 1});
    f("class_cond", class_cond, "", "class-conditional");
    f("learn_sigma", learn_sigma, "", "predicts the variance too");
    f("use_scale_shift_norm", use_scale_shift_norm, "", "scale and shift after the norm");
    f("resblock_updown", resblock_updown, "", "residual blocks resample");
    f("use_new_attention_order", use_new_attention_order, "", "qkv is split before the heads");
    f.choice("noise_schedule", noise_schedule, {"linear", "cosine"}, "schedule of the noise");
    f("diffusion_steps", diffusion_steps, "", "steps of the schedule", {2, 1e6});
    f("predict_xstart", predict_xstart, "", "predicts the image instead of the noise");
    f("rescale_timesteps", rescale_timesteps, "", "the network is told 1000 t / T");
  }
};

UsageError cannot_import(const std::string& where, const std::string& what,
                         const std::string& expected) {
  return UsageError({.where = where, .what = what, .got = "", .expected = expected, .hint = ""});
}

// JSON lists as the release writes them on a command line: "32,16,8".
void join_list(nlohmann::json& flags, const char* name) {
  const auto found = flags.find(name);
  if (found == flags.end() || !found->is_array()) return;
  const std::string text = found->dump();
  *found = text.substr(1, text.size() - 2);
}

Flags read_flags(const std::filesystem::path& path) {
  if (path.empty())
    throw cannot_import("import adm", "nothing says how the weights are to be read",
                        "a JSON file with the release's flags (--config)");
  nlohmann::json json = io::read_json(path);
  if (!json.is_object())
    throw DataError({.where = path.string(),
                     .what = "not a JSON object",
                     .got = "",
                     .expected = "{…}",
                     .hint = ""});
  for (const char* unused :
       {"use_fp16", "use_checkpoint", "use_kl", "rescale_learned_sigmas", "timestep_respacing"})
    json.erase(unused);
  for (const char* list : {"attention_resolutions", "channel_mult"}) join_list(json, list);
  Flags flags;
  from_json(json, flags, path.string());
  return flags;
}

void check_can_be_imported(const Flags& flags, const std::string& where) {
  if (flags.predict_xstart)
    throw cannot_import(where, "a model that predicts the image", "one that predicts the noise");
  if (flags.rescale_timesteps && flags.diffusion_steps != 1000)
    throw cannot_import(where, "a model that is told rescaled steps", "one that is told t itself");
  if (flags.num_head_channels <= 0 && flags.num_heads_upsample > 0 &&
      flags.num_heads_upsample != flags.num_heads)
    throw cannot_import(where, "more or fewer heads on the way up",
                        "num_heads_upsample = num_heads");
}

// "32,16,8" is the inside of a JSON list; the network checks what stands in it.
nlohmann::json list_of(const std::string& text, const std::string& where) {
  return io::parse_json("[" + text + "]", where);
}

std::string multipliers(const Flags& flags, const std::string& where) {
  static const std::map<int64_t, std::string> kUsual{{512, "0.5,1,1,2,2,4,4"},
                                                     {256, "1,1,2,2,4,4"},
                                                     {128, "1,1,2,3,4"},
                                                     {64, "1,2,3,4"},
                                                     {32, "1,2,2,2"}};
  if (!flags.channel_mult.empty()) return flags.channel_mult;
  const auto usual = kUsual.find(flags.image_size);
  if (usual != kUsual.end()) return usual->second;
  throw cannot_import(where, fmt::format("no usual multipliers for {0}x{0}", flags.image_size),
                      "channel_mult");
}

nets::NetworkConfig network_of(const Flags& flags, const std::string& where) {
  return {{"type", "ADMUNet"},
          {"model_channels", flags.num_channels},
          {"channel_mult", list_of(multipliers(flags, where), where + ": channel_mult")},
          {"num_res_blocks", flags.num_res_blocks},
          {"attention_resolutions",
           list_of(flags.attention_resolutions, where + ": attention_resolutions")},
          {"num_heads", flags.num_heads},
          {"num_head_channels", std::max<int64_t>(flags.num_head_channels, 0)},
          {"use_scale_shift_norm", flags.use_scale_shift_norm},
          {"resblock_updown", flags.resblock_updown},
          {"use_new_attention_order", flags.use_new_attention_order},
          {"learn_sigma", flags.learn_sigma},
          {"dropout", flags.dropout}};
}

NamedTensors read_network(io::SafetensorsFile file, const std::string& prefix,
                          const std::string& where) {
  NamedTensors tensors = tensors_of_network(std::move(file.tensors), prefix, kFirstWeight, where);
  const auto first = tensors.find(kFirstWeight);
  if (first != tensors.end() && first->second.dim() == 4) return tensors;
  throw DataError({.where = where,
                   .what = "no U-Net of guided-diffusion in this file",
                   .got = fmt::format("no convolution {}{}", prefix, kFirstWeight),
                   .expected = "",
                   .hint = "tools/adm_to_safetensors.py makes such a file"});
}

nets::DataShape shape_of(const NamedTensors& tensors, const Flags& flags,
                         const std::string& where) {
  nets::DataShape shape{flags.image_size, tensors.at(kFirstWeight).size(1), 0};
  if (!flags.class_cond) return shape;
  const auto labels = tensors.find(kLabelWeight);
  if (labels == tensors.end() || labels->second.dim() != 2)
    throw DataError({.where = where,
                     .what = "the flags say class_cond, the weights have no classes",
                     .got = "no table " + kLabelWeight,
                     .expected = "",
                     .hint = ""});
  shape.label_dim = labels->second.size(0);
  return shape;
}

}  // namespace

ModelConfig import_adm(const std::filesystem::path& weights, const ImportOptions& options,
                       const std::filesystem::path& out) {
  const std::string where = weights.string(), flags_from = options.config.string();
  const Flags flags = read_flags(options.config);
  check_can_be_imported(flags, flags_from);
  const NamedTensors tensors = read_network(io::read_safetensors(weights), options.prefix, where);

  ModelConfig config;
  const BetaLaw law = flags.noise_schedule == "linear" ? BetaLaw::kLinear : BetaLaw::kCosine;
  config.preconditioning = to_string(DdpmSchedule{law, flags.diffusion_steps});
  config.shape = shape_of(tensors, flags, where);
  config.network = network_of(flags, flags_from);
  config.extra = {{"imported_from", weights.filename().string()}};

  const auto denoiser = make_denoiser(config, /*init_seed=*/0);
  NamedTensors state;
  for (const auto& [name, tensor] : tensors) state["model." + name] = tensor;
  nets::load_state(*denoiser, state, where);
  save_model(out, *denoiser, config);
  return config;
}

}  // namespace equipoise::diffusion
