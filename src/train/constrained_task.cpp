#include "train/constrained_task.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "core/error.h"
#include "core/libtorch.h"

namespace equipoise::train {
namespace {

constexpr int64_t kMinBatch = 8;
/// Images of estimate "fresh" begin here: none is an image of training.
constexpr int64_t kFirstFresh = int64_t{1} << 40;

std::vector<double> thresholds_of(const std::vector<BoundConstraint>& constraints) {
  std::vector<double> values;
  for (const BoundConstraint& bound : constraints) values.push_back(bound.threshold);
  return values;
}

std::vector<double> multipliers_of(const std::vector<BoundConstraint>& constraints) {
  std::vector<double> values;
  for (const BoundConstraint& bound : constraints) values.push_back(bound.multiplier);
  return values;
}

}  // namespace

void DualTraining::Mean::add(double loss, int64_t count) {
  if (!std::isfinite(loss)) return;
  sum += loss;
  images += count;
}

DualTraining::DualTraining(Parts parts)
    : parts_(std::move(parts)),
      ascent_(parts_.config, thresholds_of(parts_.constraints), multipliers_of(parts_.constraints)),
      last_(parts_.constraints.size() + 1),
      period_(last_.size()),
      tick_(last_.size()),
      moving_(parts_.constraints.size()),
      moving_steps_(parts_.constraints.size()) {
  if (parts_.constraints.empty())
    throw UsageError({.where = "constraints",
                      .what = "there is nothing to be constrained",
                      .got = "no constraint",
                      .expected = "at least one table [constraints.NAME]",
                      .hint = ""});
}

void DualTraining::record(int64_t first, Sums sums) {
  const std::lock_guard lock(mutex_);
  recorded_[first] = std::move(sums);
}

void DualTraining::step_done(int64_t, int64_t) {
  std::fill(last_.begin(), last_.end(), Mean{});
  for (const auto& [first, sums] : recorded_)
    for (size_t i = 0; i < last_.size(); ++i) last_[i].add(sums.loss[i], sums.images[i]);
  recorded_.clear();
  add_other_processes();
  for (size_t i = 0; i < last_.size(); ++i) {
    period_[i].add(last_[i].sum, last_[i].images);
    tick_[i].add(last_[i].sum, last_[i].images);
  }
  for (size_t i = 0; i < moving_.size(); ++i) {
    if (last_[i].images == 0) continue;
    moving_steps_[i] = std::min(moving_steps_[i] + 1, parts_.config.memory_steps);
    moving_[i] += (last_[i].value() - moving_[i]) / static_cast<double>(moving_steps_[i]);
  }
  if (++num_steps_ % parts_.config.period_steps != 0) return;
  ascent_.step(estimates());
  std::fill(period_.begin(), period_.end(), Mean{});
}

/// To the last step's losses, so that everything made of them is the same in every process.
void DualTraining::add_other_processes() {
  if (parts_.processes->size() == 1) return;
  const at::Tensor totals = at::empty({static_cast<int64_t>(last_.size()), 2}, at::kDouble);
  auto rows = totals.accessor<double, 2>();
  for (size_t i = 0; i < last_.size(); ++i) {
    rows[i][0] = last_[i].sum;
    rows[i][1] = static_cast<double>(last_[i].images);
  }
  parts_.processes->sum(totals);
  for (size_t i = 0; i < last_.size(); ++i)
    last_[i] = {.sum = rows[i][0], .images = static_cast<int64_t>(rows[i][1])};
}

/// NaN where no image of a constraint was seen.
std::vector<double> DualTraining::estimates() const {
  const std::string& rule = parts_.config.estimate;
  std::vector<double> losses;
  for (size_t i = 0; i < parts_.constraints.size(); ++i) {
    if (rule == "fresh")
      losses.push_back(fresh_loss(parts_.constraints[i]));
    else if (rule == "ema")
      losses.push_back(moving_steps_[i] > 0 ? moving_[i]
                                            : std::numeric_limits<double>::quiet_NaN());
    else
      losses.push_back(rule == "last" ? last_[i].value() : period_[i].value());
  }
  return losses;
}

double DualTraining::fresh_loss(const BoundConstraint& bound) const {
  const torch::NoGradGuard no_grad;
  const int64_t first = kFirstFresh + ascent_.num_steps() * bound.batch_size;
  return bound.constraint->losses(*parts_.denoiser, first, bound.batch_size).mean().item<double>();
}

nlohmann::json DualTraining::at_tick(int64_t) {
  nlohmann::json entries = nlohmann::json::object();
  for (size_t i = 0; i < parts_.constraints.size(); ++i) {
    const BoundConstraint& bound = parts_.constraints[i];
    nlohmann::json entry{{"multiplier", ascent_.multipliers()[i]}, {"loss", tick_[i].value()}};
    const double heldout = bound.constraint->heldout_loss(*parts_.denoiser);
    if (std::isfinite(heldout)) entry["heldout_loss"] = heldout;
    entries[bound.name] = std::move(entry);
  }
  const double objective_loss = tick_.back().value();
  std::fill(tick_.begin(), tick_.end(), Mean{});
  return {{"objective_loss", objective_loss}, {"constraints", std::move(entries)}};
}

nlohmann::json DualTraining::state() const {
  const auto means = [](const std::vector<Mean>& list) {
    nlohmann::json json = nlohmann::json::array();
    for (const Mean& mean : list) json.push_back(nlohmann::json::array({mean.sum, mean.images}));
    return json;
  };
  std::vector<std::string> names;
  for (const BoundConstraint& bound : parts_.constraints) names.push_back(bound.name);
  return {{"names", names},
          {"ascent", ascent_.state()},
          {"num_steps", num_steps_},
          {"period", means(period_)},
          {"tick", means(tick_)},
          {"moving", moving_},
          {"moving_steps", moving_steps_}};
}

void DualTraining::restore(const nlohmann::json& state) {
  std::vector<std::string> names;
  for (const BoundConstraint& bound : parts_.constraints) names.push_back(bound.name);
  if (!state.is_object() || state.at("names") != names)
    throw UsageError({.where = "constraints",
                      .what = "the checkpoint was written under other constraints",
                      .got = nlohmann::json(names).dump(),
                      .expected = state.is_object() ? state.at("names").dump() : "none",
                      .hint = "Resume with the settings of the first start"});
  const auto read_means = [](const nlohmann::json& json, std::vector<Mean>& list) {
    for (size_t i = 0; i < list.size(); ++i)
      list[i] = {.sum = json.at(i).at(0), .images = json.at(i).at(1)};
  };
  ascent_.restore(state.at("ascent"));
  num_steps_ = state.at("num_steps");
  read_means(state.at("period"), period_);
  read_means(state.at("tick"), tick_);
  moving_ = state.at("moving").get<std::vector<double>>();
  moving_steps_ = state.at("moving_steps").get<std::vector<int64_t>>();
}

ConstrainedTask::ConstrainedTask(std::shared_ptr<const TrainingTask> base,
                                 std::shared_ptr<const diffusion::Denoiser> denoiser,
                                 int64_t elements, std::shared_ptr<DualTraining> dual)
    : base_(std::move(base)),
      denoiser_(std::move(denoiser)),
      elements_(elements),
      dual_(std::move(dual)) {}

at::Tensor ConstrainedTask::loss_sum(int64_t first, int64_t count) const {
  at::Tensor total = base_->loss_sum(first, count);
  const double base_loss = total.item<double>();
  const std::vector<double>& multipliers = dual_->ascent().multipliers();
  DualTraining::Sums sums;
  for (size_t i = 0; i < multipliers.size(); ++i) {
    const BoundConstraint& bound = dual_->constraints()[i];
    // Image numbers in proportion: exactly batch_size a whole step, however it is cut.
    const int64_t begin = first * bound.batch_size / dual_->batch_size();
    const int64_t end = (first + count) * bound.batch_size / dual_->batch_size();
    sums.images.push_back(end - begin);
    sums.loss.push_back(0);
    if (begin == end) continue;
    const c10::AutoGradMode graph(multipliers[i] > 0 && c10::GradMode::is_enabled());
    const at::Tensor losses = bound.constraint->losses(*denoiser_, begin, end - begin).sum();
    sums.loss.back() = losses.item<double>();
    if (multipliers[i] == 0) continue;
    const double images_ratio =
        static_cast<double>(dual_->batch_size()) / static_cast<double>(bound.batch_size);
    total = total + losses * (multipliers[i] * static_cast<double>(elements_) * images_ratio);
  }
  sums.images.push_back(count);
  sums.loss.push_back(base_loss / static_cast<double>(elements_));
  dual_->record(first, std::move(sums));
  return dual_->config().normalise ? total / (1 + dual_->ascent().total()) : total;
}

int64_t proportional_batch(int64_t batch_size, int64_t num_constraint, int64_t num_main) {
  if (num_constraint == 0) return batch_size;
  const int64_t share = batch_size * num_constraint / std::max<int64_t>(num_main, 1);
  return std::min(batch_size, std::max(kMinBatch, share));
}

}  // namespace equipoise::train
