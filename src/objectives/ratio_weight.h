// From a log density ratio l = log p_data - log p_bias to the weight of a training item.
//
//   drawn from   weight w                      d log w / d l
//   obs          2 sigmoid(l), within (0, 2)   1 - sigmoid(l)     p_obs = 1/2 p_bias + 1/2 p_data
//   bias         exp(l)                        1                  p_bias
//
// Each law goes with its own weight and its own slope; mixing them is wrong.
#pragma once

#include <string>

#include <torch/types.h>

#include "core/fields.h"
#include "diffusion/density_ratio.h"
#include "diffusion/training_batch.h"

namespace equipoise::objectives {

/// How strongly, and for which set, a ratio is used.
///
/// alpha 0 trains as plain DSM, 1 removes the bias; in between it trades bias for quality. Rule
/// "logit" replaces l by alpha l before the weight is formed, rule "weight" raises the weight
/// itself to the power alpha; for `law = bias` they agree.
struct RatioWeight {
  double alpha = 1;
  std::string alpha_rule = "logit";
  std::string law = "obs";

  void fields(FieldVisitor& f) {
    f("alpha", alpha, "",
      "strength of the ratio: 0 = plain DSM, 1 = the method, above 1 = over-corrected", {0, 100});
    f.choice("alpha_rule", alpha_rule, {"logit", "weight"},
             "what alpha scales: the log-odds, or the log weight");
    f.choice("law", law, {"obs", "bias"},
             "set the loss draws from: half of each set, or the biased set alone");
  }

  diffusion::TrainingSet training_set() const;
  /// w [B] from l [B].
  at::Tensor weight(const at::Tensor& log_ratio) const;
  /// d log w / d l [B].
  at::Tensor slope(const at::Tensor& log_ratio) const;
};

/// Throws UsageError naming `objective` when alpha > 0 and there is no ratio.
void check_ratio_given(const RatioWeight& rule, const diffusion::DensityRatio* ratio,
                       const std::string& objective);

}  // namespace equipoise::objectives
