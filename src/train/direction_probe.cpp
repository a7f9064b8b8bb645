#include "train/direction_probe.h"

#include <algorithm>

#include "core/error.h"
#include "core/parallel.h"

namespace equipoise::train {
namespace {

/// "enc.conv0" of "enc.conv0.weight".
std::string layer_of(const std::string& parameter) {
  const size_t dot = parameter.rfind('.');
  return dot == std::string::npos ? parameter : parameter.substr(0, dot);
}

}  // namespace

DirectionProbe::DirectionProbe(Config config, std::vector<Subject> subjects,
                               const torch::nn::Module& network)
    : config_(config), subjects_(std::move(subjects)) {
  if (subjects_.empty())
    throw UsageError({.where = "DirectionProbe", .what = "there is no loss to look at"});
  for (const auto& item : network.named_parameters()) {
    if (!item.value().requires_grad()) continue;
    const std::string layer = layer_of(item.key());
    if (layers_.empty() || layers_.back().name != layer) layers_.push_back({layer, size_, size_});
    parameters_.push_back(item.value());
    size_ += item.value().numel();
    layers_.back().end = size_;
  }
}

/// Of the mean loss of mini-batch first … first + batch_size - 1, flat.
at::Tensor DirectionProbe::gradient(const TrainingTask& task, int64_t first) const {
  at::Tensor flat = at::zeros({size_}, parameters_[0].options().requires_grad(false));
  for (int64_t done = 0; done < config_.batch_size; done += config_.micro_batch_size) {
    const at::Tensor loss =
        task.loss_sum(first + done, std::min(config_.micro_batch_size, config_.batch_size - done));
    const auto gradients = torch::autograd::grad({loss}, parameters_, {}, c10::nullopt,
                                                 /*create_graph=*/false, /*allow_unused=*/true);
    int64_t offset = 0;
    for (size_t i = 0; i < gradients.size(); ++i) {
      const int64_t size = parameters_[i].numel();
      if (gradients[i].defined()) flat.narrow(0, offset, size).add_(gradients[i].reshape({-1}));
      offset += size;
    }
  }
  return flat.div_(static_cast<double>(config_.batch_size));
}

DirectionProbe::Accumulators DirectionProbe::look_at(const TrainingTask& task,
                                                     const std::vector<Range>& ranges,
                                                     int64_t first) const {
  std::vector<Accumulators> lanes(static_cast<size_t>(config_.lanes));
  run_workers(config_.lanes, [&](int64_t lane) {
    Accumulators& own = lanes[static_cast<size_t>(lane)];
    own.emplace_back(size_);
    for (const Range& range : ranges) own.emplace_back(range.end - range.begin);
    for (int64_t i = lane; i < config_.num_minibatches; i += config_.lanes) {
      const at::Tensor flat = gradient(task, first + i * config_.batch_size);
      own[0].add(flat);
      for (size_t k = 0; k < ranges.size(); ++k)
        own[k + 1].add(flat.slice(0, ranges[k].begin, ranges[k].end));
    }
  });
  for (size_t lane = 1; lane < lanes.size(); ++lane)
    for (size_t k = 0; k < lanes[0].size(); ++k) lanes[0][k].add(lanes[lane][k]);
  return std::move(lanes[0]);
}

nlohmann::json DirectionProbe::at_tick(int64_t images) {
  nlohmann::json subjects = nlohmann::json::object(), layers = nlohmann::json::object();
  std::vector<at::Tensor> means;
  for (size_t s = 0; s < subjects_.size(); ++s) {
    const Accumulators found =
        look_at(*subjects_[s].task, s == 0 ? layers_ : std::vector<Range>{}, images);
    subjects[subjects_[s].name] = found[0].summary().to_json();
    for (size_t k = 1; k < found.size(); ++k) {
      const DirectionSummary summary = found[k].summary();
      layers[layers_[k - 1].name] = {
          {"d", summary.dimension},
          {"rbar_corrected", summary.resultant_corrected},
          {"kappa_per_dimension", summary.kappa / static_cast<double>(summary.dimension)}};
    }
    means.push_back(found[0].mean_direction());
  }
  nlohmann::json conflict = nlohmann::json::object();
  for (size_t i = 0; i < means.size(); ++i)
    for (size_t j = 0; j < means.size(); ++j)
      conflict[subjects_[i].name][subjects_[j].name] = at::dot(means[i], means[j]).item<double>();
  return {{"directions",
           {{"batch_size", config_.batch_size},
            {"subjects", subjects},
            {"layers", layers},
            {"conflict", conflict}}}};
}

}  // namespace equipoise::train
