// A trained classifier of noisy images, seen as the posterior of labels.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/fields.h"
#include "diffusion/label_posterior.h"
#include "diffusion/vp_time.h"
#include "nets/discriminator.h"

namespace equipoise::diffusion {

/// What must be known of a classifier's training to use it; stored with its checkpoint.
struct NoisyClassifierUse {
  std::string time_map = "linear";
  std::vector<std::string> labels;

  void fields(FieldVisitor& f) {
    f.choice("time_map", time_map, {"linear", "cosine"},
             "time value shown to the network at a noise level");
    f("labels", labels, "", "name of each output");
  }
};

/// log p(y | x, sigma) = log softmax of the network's logits at (a(sigma) x, t(sigma)).
///
/// The network sees the VP input z = a x, float32; its parameters are frozen here. Threads:
/// log_posterior may be called from several threads at once.
class NoisyClassifier : public LabelPosterior {
 public:
  NoisyClassifier(std::shared_ptr<nets::DiscriminatorNetwork> network,
                  const NoisyClassifierUse& use);
  int64_t num_labels() const override { return static_cast<int64_t>(use_.labels.size()); }
  at::Tensor log_posterior(const at::Tensor& x, const at::Tensor& sigma) const override;
  const std::vector<std::string>& labels() const { return use_.labels; }

 private:
  std::shared_ptr<nets::DiscriminatorNetwork> network_;
  NoisyClassifierUse use_;
  TimeMap time_map_;
};

struct LoadedNoisyClassifier {
  std::shared_ptr<const NoisyClassifier> posterior;
  nets::DataShape shape;
};

/// The posterior a file of save_noisy_classifier holds, on `device`.
/// Throws: DataError as load_noisy_classifier; UsageError when the file says nothing of its labels.
LoadedNoisyClassifier load_label_posterior(const std::filesystem::path& path,
                                           at::Device device = at::kCPU);

}  // namespace equipoise::diffusion
