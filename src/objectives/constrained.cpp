// Plain denoising score matching on the biased set, trained under constraints.
//
// The constraints are no part of this loss: training adds lambda_i J_i for each of them and moves
// the multipliers (train/constrained_task.h). Any other objective may be trained under constraints
// too; this one always is.
#include "core/config.h"
#include "objectives/objective.h"
#include "objectives/weighted_loss.h"

namespace equipoise::objectives {
namespace {

class Constrained : public Objective {
 public:
  diffusion::TrainingSet training_set() const override { return diffusion::TrainingSet::kBiased; }
  ObjectiveNeeds needs() const override { return {.constraints = true}; }
  at::Tensor loss(const diffusion::Denoiser& denoiser, const diffusion::NoisyBatch& batch,
                  const diffusion::Conditions& conditions) const override {
    return denoising_loss(denoiser, batch, conditions, batch.clean);
  }
};

struct NoOptions {
  void fields(FieldVisitor&) {}
};

const bool kRegistered = ObjectiveRegistry::instance().add(
    {.name = "constrained",
     .summary =
         "Denoising score matching on the biased set while the losses named in [constraints] "
         "stay small.",
     .source = "Khalafi, Ding and Ribeiro 2024 (NeurIPS), Algorithms 2 and 3",
     .use_when = "there is no reference set, but it is known which groups must not be lost, or "
                 "which model must not be forgotten; tiw_dsm with a reference of a few per cent"},
    {.needs = {.constraints = true},
     .training_set = diffusion::TrainingSet::kBiased,
     .make =
         [](const nlohmann::json& options, const ObjectiveInputs&) {
           NoOptions none;
           from_json(options, none, "objective.options");
           return std::make_unique<Constrained>();
         },
     .options_help = [] { return std::string(); },
     .title = "Constrained",
     .formula = "min E[ λ(σ) ‖D(x; σ) − x₀‖² ]  s.t.  Jᵢ ≤ bᵢ"});

}  // namespace
}  // namespace equipoise::objectives
