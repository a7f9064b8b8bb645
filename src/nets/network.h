// Networks that predict from a noisy image: the raw function F of (scaled image, noise label,
// conditions).
//
//   SongUNet      DDPM++ / NCSN++ U-Net: the default for images
//   DhariwalUNet  ADM U-Net: larger, scale-and-shift conditioning, attention with several heads
//   PatchUNet     SongUNet on patches instead of pixels: several times cheaper, for processors
//   MLP           for vectors (toy laws)
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "core/config.h"
#include "core/libtorch.h"
#include "core/registry.h"

namespace equipoise::nets {

/// Addresses of the random numbers a training forward pass may use (dropout, label dropout): one
/// stream per image. No pass uses randomness unless it is given one of these.
struct ForwardRandomness {
  uint64_t seed = 0;
  /// [B] int64, the images' running numbers in the training run, on any device.
  at::Tensor image_numbers = {};
};

/// What a denoiser network sees besides the image.
struct Conditions {
  /// [B, label_dim] float (one-hot or mixture); undefined = unconditional (zeros).
  at::Tensor class_labels = {};
  at::Tensor augment_labels = {};  ///< [B, augment_dim] float; undefined = not augmented
  const ForwardRandomness* randomness = nullptr;  ///< null = evaluation: no dropout
};

/// F(x, c_noise, conditions), the network inside a preconditioned denoiser.
///
/// Shapes: x [B,C,H,W] (or [B,D] for vector networks) float32, already scaled by c_in; noise_labels
/// [B] float32 = c_noise; returns the shape of x with `out_channels` channels. Labels a network was
/// not made for (label_dim or augment_dim 0) are ignored.
class DenoiserNetwork : public torch::nn::Module {
 public:
  static constexpr const char* kFamily = "network";
  virtual at::Tensor forward(const at::Tensor& x, const at::Tensor& noise_labels,
                             const Conditions& conditions) = 0;
};

/// Size of the data a network is made for.
struct DataShape {
  int64_t resolution = 32;  ///< height = width; 0 for vectors
  int64_t channels = 3;     ///< or the vector's length
  int64_t label_dim = 0;    ///< number of classes; 0 = unconditional
};

/// A network's description: {"type": "SongUNet", option: value, …}; enough to build it again.
/// Written into every model file.
using NetworkConfig = nlohmann::json;

/// How the networks of one family are made. `options` is the description without its "type".
template <class Network>
struct NetworkPlugin {
  std::function<std::shared_ptr<Network>(const nlohmann::json& options, const DataShape& shape,
                                         uint64_t init_seed)>
      make;
  std::function<std::string()> options_help;  ///< one line an option
};
/// The plug-in of a network with constructor (config, shape, init_seed) whose options are the
/// fields of Config.
template <class Family, class Network, class Config>
NetworkPlugin<Family> plugin_for(const std::string& where) {
  return {.make =
              [where](const nlohmann::json& options, const DataShape& shape, uint64_t init_seed) {
                Config config;
                from_json(options, config, where);
                return std::make_shared<Network>(config, shape, init_seed);
              },
          .options_help = [] { return help_text(Config{}); }};
}

using NetworkRegistry = Registry<DenoiserNetwork, NetworkPlugin<DenoiserNetwork>>;

/// Builds a denoiser network by registered type ("SongUNet", "DhariwalUNet", "PatchUNet", "MLP");
/// weights drawn from `init_seed` (Purpose::kInit). Throws UsageError for unknown types and options
/// (nearest name offered) and impossible sizes.
std::shared_ptr<DenoiserNetwork> make_denoiser_network(const NetworkConfig& config,
                                                       const DataShape& shape, uint64_t init_seed);

}  // namespace equipoise::nets
