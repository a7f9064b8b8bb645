#include "small_model.h"

#include "core/config.h"
#include "diffusion/discriminator_ratio.h"
#include "diffusion/model_file.h"
#include "nets/state.h"

namespace equipoise::e2e {

void write_small_model(const std::filesystem::path& path, int64_t num_classes) {
  const diffusion::ModelConfig config{
      .shape = {.resolution = 8, .channels = 1, .label_dim = num_classes},
      .network = {{"type", "SongUNet"},
                  {"model_channels", 8},
                  {"channel_mult", {1}},
                  {"num_blocks", 1},
                  {"attn_resolutions", nlohmann::json::array()}}};
  diffusion::save_model(path, *diffusion::make_denoiser(config, 1), config);
}

void write_small_classifier(const std::filesystem::path& path, int64_t num_classes,
                            const std::vector<std::string>& class_names) {
  const diffusion::NetworkDescription description{
      .shape = {.resolution = 8, .channels = 1, .label_dim = num_classes},
      .network = {{"type", "CNN"}},
      .extra = {{"class_names", class_names}}};
  const auto network = nets::make_classifier_network(description.network, description.shape, 1);
  diffusion::save_classifier(path, nets::state_of(*network), description);
}

void write_small_discriminator(const std::filesystem::path& path, int64_t side) {
  const diffusion::NetworkDescription description{
      .shape = {.resolution = side, .channels = 1},
      .network = {{"type", "CNN"}, {"channels", {8}}, {"emb_channels", 8}},
      .extra = to_json(diffusion::DiscriminatorUse{})};
  const auto network = nets::make_discriminator_network(description.network, description.shape, 1);
  diffusion::save_discriminator(path, nets::state_of(*network), description);
}

}  // namespace equipoise::e2e
