// Looks at the gradients of many mini-batches while a training run stands still.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/libtorch.h"
#include "train/direction_statistics.h"
#include "train/loop.h"

namespace equipoise::train {

/// Direction statistics of each subject's loss at every tick: n mini-batches of b images, beginning
/// at the run's image number, all at the weights of that moment; raw gradients, before Adam and
/// without weight decay.
///
/// A subject is a loss on some images: all of a run's, or those of one group, every one with the
/// same n and b so that they compare. A group of fewer than n b images is gone through more than
/// once, which makes its directions more alike. The first subject is told layer by layer too.
/// The run does not notice: nothing is drawn but from streams by image number, and neither weights
/// nor their gradient fields are written.
/// Cost: n backward passes of b images a subject and tick, and two vectors of float64 a lane and layer.
class DirectionProbe : public Companion {
 public:
  struct Subject {
    std::string name;
    std::shared_ptr<const TrainingTask> task;
  };
  struct Config {
    int64_t num_minibatches = 50;
    int64_t batch_size = 32;
    int64_t micro_batch_size = 16;
    int64_t lanes = 2;  ///< mini-batches are dealt to lanes in turn; results depend on their number
  };
  /// Throws UsageError when there is no subject.
  DirectionProbe(Config config, std::vector<Subject> subjects, const torch::nn::Module& network);
  /// {"directions": {"batch_size", "subjects": {name: summary}, "layers": {name: {"d", "rbar_corrected",
  /// "kappa_per_dimension"}}, "conflict": {name: {name: cosine of the mean directions}}}}
  nlohmann::json at_tick(int64_t images) override;

 private:
  /// Weights that lie side by side in the flat gradient.
  struct Range {
    std::string name;
    int64_t begin, end;
  };
  /// One accumulator for all weights, then one a range.
  using Accumulators = std::vector<DirectionAccumulator>;

  Accumulators look_at(const TrainingTask& task, const std::vector<Range>& ranges,
                       int64_t first) const;
  at::Tensor gradient(const TrainingTask& task, int64_t first) const;

  Config config_;
  std::vector<Subject> subjects_;
  std::vector<at::Tensor> parameters_;
  std::vector<Range> layers_;
  int64_t size_ = 0;
};

}  // namespace equipoise::train
