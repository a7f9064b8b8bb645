// Does a bias of the words' vectors show in what a model makes of the words?
//
//   delta_w = cos(e_w, e_first) - cos(e_w, e_second)                bias of the vector
//   Y_w     = share of images for word w that are of the first class
//   Y_w - 1/2 = intercept + slope delta_w                           over words, and seeds of R
//
// Source: Kuchlous, Li and Wang 2024, "Bias Begets Bias" (ICML workshop). Differs: the difference of
// cosines in place of their ratio, which means nothing for small or negative cosines and is given
// beside it where it does.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <torch/types.h>

#include "audit/audit_number.h"
#include "audit/linear_fit.h"
#include "audit/prompt_probe.h"

namespace equipoise::audit {

struct EmbeddingBias {
  double difference = 0;             ///< delta_w
  std::optional<double> ratio = {};  ///< cos / cos, where both are at least 0.05
};
/// Of word vectors [L] each.
EmbeddingBias embedding_bias(const at::Tensor& word, const at::Tensor& first,
                             const at::Tensor& second);

/// What images made for a word are like.
struct OutputBias {
  metrics::Interval share;    ///< of images whose first weight is the larger; Wilson
  metrics::Interval balance;  ///< E[a_first - a_second]; bootstrap over images
  /// Group balance: all of the interval of `balance` lies in [-tolerance, tolerance].
  bool is_balanced = false;
};
/// weights [N,2] of the classes, from any classifier. Ties count for the second class.
OutputBias output_bias(const at::Tensor& weights, double tolerance, const ProbeOptions& options);

/// One word of one model.
struct BiasPoint {
  std::string word;
  EmbeddingBias embedding;
  OutputBias output;
  std::string recipe = {};  ///< what images `output` is of, and who judged them
};
/// Y_w - 1/2 on delta_w; several models (seeds of the projection) may be pooled. None of fewer than
/// three points, or of words that are all biased alike (orthogonal vectors are).
std::optional<LinearFit> relate(const std::vector<BiasPoint>& points, double level = 0.95);

nlohmann::ordered_json to_json(const BiasPoint& point);
/// delta_w has no sampling error: its interval is a point.
std::vector<AuditNumber> bias_numbers(const std::vector<BiasPoint>& points,
                                      const std::string& first, const std::string& second);

}  // namespace equipoise::audit
