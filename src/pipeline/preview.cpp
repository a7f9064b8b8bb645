#include "pipeline/preview.h"

#include <filesystem>

#include <fmt/format.h>

#include "core/libtorch.h"
#include "core/named_options.h"
#include "diffusion/model_file.h"
#include "io/files.h"
#include "metrics/features.h"
#include "metrics/kid.h"
#include "metrics/total_variation.h"
#include "pipeline/sampling_method.h"
#include "pipeline/stage_steps.h"
#include "report/sample_grid.h"
#include "samplers/sample_images.h"

namespace equipoise::pipeline {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMaxReferences = 1000;

class PreviewedTask : public train::TrainingTask {
 public:
  PreviewedTask(const TrainingContext& context, std::string name,
                std::shared_ptr<const diffusion::PreconditionedDenoiser> denoiser,
                std::shared_ptr<const train::TrainingTask> task)
      : context_(context),
        name_(std::move(name)),
        denoiser_(std::move(denoiser)),
        task_(std::move(task)),
        sampler_(make_sampler(context.config.sampler)) {
    const std::filesystem::path classifier = context.folder.model("classifier");
    if (!std::filesystem::exists(classifier)) return;
    classifier_ = diffusion::load_classifier(classifier).network;
    classifier_->eval();
    references_ = extract(raw_images(*context.data.evaluation,
                                     prefix(context.data.target_indices, kMaxReferences)))
                      .features;
  }

  at::Tensor loss_sum(int64_t first, int64_t count) const override {
    return task_->loss_sum(first, count);
  }
  double heldout_loss() const override { return task_->heldout_loss(); }

  Json preview(int64_t images) const override {
    const at::Tensor drawn = draw();
    const at::Tensor stored = drawn.dim() == 2 ? drawn : samplers::to_uint8(drawn);
    Json notes = Json::object();
    if (drawn.dim() == 4) {
      const std::string grid = report::encode_first_images_png(stored);
      const std::string file = fmt::format("samples/previews/{}-{:09}.png", name_, images);
      std::filesystem::create_directories((context_.folder.path() / file).parent_path());
      io::write_file_atomically(context_.folder.path() / file, grid);
      io::write_file_atomically(context_.folder.grid(name_), grid);  // what `serve` shows
      notes["preview_grid"] = file;
    }
    if (classifier_) notes.update(measure(stored));
    return notes;
  }

 private:
  static std::unique_ptr<samplers::Sampler> make_sampler(const Json& sampler) {
    return samplers::SamplerRegistry::instance()
        .find(sampler.at("type"))
        .make.make(options_of(sampler));
  }

  metrics::Features extract(const at::Tensor& images) const {
    return metrics::extract_features(*classifier_, images,
                                     {.num_workers = context_.config.num_workers()});
  }

  at::Tensor draw() const {
    const ExperimentConfig& config = context_.config;
    const at::Tensor seeds =
        at::arange(config.sample.seed_first, config.sample.seed_first + config.sample.preview);
    samplers::SampleRequest request{
        .seeds = seeds, .item_shape = context_.data.item_shape(), .seed_base = seed_of(context_)};
    if (const int64_t num_classes = denoiser_->shape().label_dim; num_classes > 0)
      request.class_labels = at::one_hot(seeds.remainder(num_classes), num_classes).to(at::kFloat);
    Progress silent;
    return samplers::sample_images(*denoiser_, *sampler_, request,
                                   {.batch_size = config.sample.batch_size,
                                    .num_threads = config.num_workers(),
                                    .device = device_of(context_)},
                                   silent)
        .images;
  }

  Json measure(const at::Tensor& images) const {
    const metrics::Features features = extract(images);
    const at::Tensor counts =
        at::bincount(features.predicted_groups(), {}, context_.data.num_groups());
    std::vector<double> shares;
    for (int64_t group = 0; group < counts.numel(); ++group)
      shares.push_back(counts[group].item<double>() / static_cast<double>(images.size(0)));
    return {{"preview_shares", shares},
            {"preview_total_variation",
             metrics::total_variation_distance(shares, context_.data.split.target)},
            {"preview_kernel_distance",
             metrics::kernel_distance(features.features, references_).value}};
  }

  const TrainingContext& context_;
  std::string name_;
  std::shared_ptr<const diffusion::PreconditionedDenoiser> denoiser_;
  std::shared_ptr<const train::TrainingTask> task_;
  std::unique_ptr<samplers::Sampler> sampler_;
  std::shared_ptr<nets::ClassifierNetwork> classifier_;  // null before the run has one
  at::Tensor references_;                                // [M,F]
};

}  // namespace

std::shared_ptr<const train::TrainingTask> with_preview(
    const TrainingContext& context, const std::string& name,
    std::shared_ptr<const diffusion::PreconditionedDenoiser> denoiser,
    std::shared_ptr<const train::TrainingTask> task) {
  if (context.config.sample.preview == 0) return task;
  return std::make_shared<PreviewedTask>(context, name, std::move(denoiser), std::move(task));
}

}  // namespace equipoise::pipeline
