// Plain denoising score matching, the baseline of every method here, on one of three training sets.
#include <string>

#include "core/config.h"
#include "objectives/objective.h"
#include "objectives/weighted_loss.h"

namespace equipoise::objectives {
namespace {

using diffusion::TrainingSet;

class Dsm : public Objective {
 public:
  explicit Dsm(TrainingSet training_set) : training_set_(training_set) {}

  TrainingSet training_set() const override { return training_set_; }

  at::Tensor loss(const diffusion::Denoiser& denoiser, const diffusion::NoisyBatch& batch,
                  const diffusion::Conditions& conditions) const override {
    return denoising_loss(denoiser, batch, conditions, batch.clean);
  }

 private:
  TrainingSet training_set_;
};

struct NoOptions {
  void fields(FieldVisitor&) {}
};

ObjectivePlugin plugin(TrainingSet training_set, const char* title, const char* law) {
  return {.training_set = training_set,
          .make =
              [training_set](const nlohmann::json& options, const ObjectiveInputs&) {
                NoOptions none;
                from_json(options, none, "objective.options");
                return std::make_unique<Dsm>(training_set);
              },
          .options_help = [] { return std::string(); },
          .title = title,
          .formula = std::string("E[ λ(σ) ‖D(x; σ) − x₀‖² ],  x₀ ∼ ").append(law)};
}

constexpr const char* kSource = "Karras et al. 2022 (arXiv:2206.00364), Eq. 108";

const bool kRefRegistered = ObjectiveRegistry::instance().add(
    {.name = "dsm_ref",
     .summary = "Denoising score matching on the reference set only.",
     .source = kSource,
     .use_when = "when the reference set is large enough to learn from alone; tiw_dsm when it is a "
                 "few per cent"},
    plugin(TrainingSet::kReference, "DSM(ref)", "reference"));

const bool kObsRegistered = ObjectiveRegistry::instance().add(
    {.name = "dsm_obs",
     .summary = "Denoising score matching on batches drawn half from each set.",
     .source = kSource,
     .use_when = "as the baseline that shows how far the bias reaches; keeps half of the bias"},
    plugin(TrainingSet::kHalfAndHalf, "DSM(obs)", "½ biased + ½ reference"));

const bool kBiasRegistered = ObjectiveRegistry::instance().add(
    {.name = "dsm_bias",
     .summary = "Denoising score matching on the biased set only.",
     .source = kSource,
     .use_when = "to learn the biased law itself, or as the model that guidance corrects later"},
    plugin(TrainingSet::kBiased, "DSM(bias)", "biased"));

}  // namespace
}  // namespace equipoise::objectives
