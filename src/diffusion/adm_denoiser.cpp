#include "diffusion/adm_denoiser.h"

namespace equipoise::diffusion {
namespace {

class DdpmPreconditioning : public Preconditioning {
 public:
  explicit DdpmPreconditioning(const DdpmSchedule& schedule)
      : sigmas_(ddpm_chain(schedule).sigma()),
        boundaries_((sigmas_.slice(0, 1) + sigmas_.slice(0, 0, schedule.num_steps - 1)) / 2),
        sigma_min_(sigmas_[0].item<double>()),
        sigma_max_(sigmas_[-1].item<double>()) {}

  Scalings scalings(const at::Tensor& sigma) const override {
    return {.skip = at::ones_like(sigma),
            .out = -sigma,
            .in = 1 / (sigma.square() + 1).sqrt(),
            .noise = nearest(sigma).to(sigma.scalar_type())};
  }
  at::Tensor loss_weight(const at::Tensor& sigma) const override { return 1 / sigma.square(); }
  double sigma_min() const override { return sigma_min_; }
  double sigma_max() const override { return sigma_max_; }
  at::Tensor round_sigma(const at::Tensor& sigma) const override {
    return sigmas_.to(sigma.device()).index_select(0, nearest(sigma));
  }

 private:
  at::Tensor nearest(const at::Tensor& sigma) const {
    return at::searchsorted(boundaries_.to(sigma.device()), sigma.to(at::kDouble).contiguous());
  }

  at::Tensor sigmas_;      // rising with the step number
  at::Tensor boundaries_;  // halfway between neighbours
  double sigma_min_, sigma_max_;
};

}  // namespace

std::unique_ptr<const Preconditioning> make_ddpm_preconditioning(const DdpmSchedule& schedule) {
  return std::make_unique<DdpmPreconditioning>(schedule);
}

AdmDenoiser::AdmDenoiser(const DdpmSchedule& schedule, const nets::DataShape& shape,
                         std::shared_ptr<nets::DenoiserNetwork> model)
    : PreconditionedDenoiser(to_string(schedule), /*sigma_data=*/1, shape, std::move(model)),
      schedule_(schedule) {}

std::pair<at::Tensor, at::Tensor> LearnedVarianceAdmDenoiser::denoise_with_variance(
    const at::Tensor& x, const at::Tensor& sigma, const Conditions& conditions) const {
  const Evaluation evaluation = evaluate(x, sigma, conditions);
  const int64_t channels = shape().channels;
  return {evaluation.denoised, (evaluation.output.narrow(1, channels, channels) + 1) / 2};
}

std::shared_ptr<PreconditionedDenoiser> make_adm_denoiser(const DdpmSchedule& schedule,
                                                          const ModelConfig& config,
                                                          uint64_t init_seed) {
  const auto network = nets::make_denoiser_network(config.network, config.shape, init_seed);
  if (config.network.value("learn_sigma", false))
    return std::make_shared<LearnedVarianceAdmDenoiser>(schedule, config.shape, network);
  return std::make_shared<AdmDenoiser>(schedule, config.shape, network);
}

}  // namespace equipoise::diffusion
