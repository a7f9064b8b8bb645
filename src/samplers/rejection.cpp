#include "samplers/rejection.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "core/error.h"
#include "core/random.h"
#include "diffusion/fixed_chunks.h"
#include "diffusion/per_item.h"

namespace equipoise::samplers {
namespace {

constexpr int64_t kMaxStarts = 10000;   // of one image, most of them priors that were refused
constexpr int64_t kMaxAttempts = 1000;  // of one image that ran out of calls

at::Tensor rows_where(const at::Tensor& condition) {
  return condition.nonzero().squeeze(1);
}

void assign(at::Tensor& values, const at::Tensor& rows, const at::Tensor& rows_values) {
  values = values.index_copy(0, rows, rows_values);
}

void add_one(at::Tensor& values, const at::Tensor& rows) {
  values = values.index_add(0, rows, at::ones({rows.size(0)}, values.options()));
}

int64_t seed_of(const Walkers& walkers, const at::Tensor& rows, const at::Tensor& place) {
  return walkers.seeds[rows[place].item<int64_t>()].item<int64_t>();
}

void forget_memory(Walkers& walkers, const at::Tensor& rows) {
  if (walkers.memory_level.defined())
    walkers.memory_level = walkers.memory_level.index_fill(0, rows, -1);
}

/// Accepted rows of a test with `margin` = log-ratio less its constant, each with a uniform of its
/// own.
at::Tensor is_accepted(const at::Tensor& margin, const at::Tensor& rows, const Walkers& walkers,
                       Trials& trials) {
  const at::Tensor host_rows = rows.to(at::kCPU);
  const at::Tensor seeds = walkers.seeds.index_select(0, host_rows).contiguous();
  const at::Tensor parts = trials.num_tests.to(at::kCPU).index_select(0, host_rows).contiguous();
  at::Tensor log_u = at::empty({rows.size(0)}, at::kDouble);
  for (int64_t i = 0; i < rows.size(0); ++i) {
    RandomStream stream(walkers.seed_base, Purpose::kRejection,
                        static_cast<uint64_t>(seeds.data_ptr<int64_t>()[i]),
                        static_cast<uint32_t>(parts.data_ptr<int64_t>()[i]));
    log_u.data_ptr<double>()[i] = std::log(stream.uniform());
  }
  add_one(trials.num_tests, rows);
  return margin >= log_u.to(margin.device());
}

/// Standard normal rows from stream (seed_base, purpose, seed, part of the row).
at::Tensor normal_rows(Purpose purpose, const at::Tensor& parts, const at::Tensor& rows,
                       const Walkers& walkers) {
  const at::Tensor host_rows = rows.to(at::kCPU);
  return random_normal(walkers.seed_base, purpose, walkers.seeds.index_select(0, host_rows),
                       walkers.x.sizes().slice(1), parts.to(at::kCPU).index_select(0, host_rows))
      .to(walkers.x.options());
}

void count_levels(const at::Tensor& levels, std::vector<int64_t>& counts) {
  const at::Tensor host_levels = levels.to(at::kCPU).contiguous();
  for (int64_t i = 0; i < host_levels.size(0); ++i)
    ++counts[static_cast<size_t>(host_levels.data_ptr<int64_t>()[i])];
}

void check_levels(const RejectionConfig& config, int64_t num_steps) {
  const int64_t last = config.last_level == 0 ? num_steps : config.last_level;
  if (config.first_level < last && last <= num_steps) return;
  throw UsageError({.where = "rejection.last_level",
                    .what = "no levels to test",
                    .got = fmt::format("above {}, up to {}", config.first_level, last),
                    .expected = fmt::format("levels within 0 to {}", num_steps),
                    .hint = ""});
}

void check_tables(const RejectionTables& tables, int64_t num_steps) {
  for (const auto* table : {&tables.marginal, &tables.transition}) {
    if (static_cast<int64_t>(table->size()) == num_steps + 1) continue;
    throw UsageError({.where = "rejection tables",
                      .what = "they were made for another number of steps",
                      .got = fmt::format("{} levels", table->size()),
                      .expected = fmt::format("{} levels", num_steps + 1),
                      .hint = "Make them again with this solver"});
  }
}

}  // namespace

RejectionCounts& RejectionCounts::operator+=(const RejectionCounts& other) {
  const auto add = [](std::vector<int64_t>& into, const std::vector<int64_t>& from) {
    into.resize(std::max(into.size(), from.size()));
    for (size_t i = 0; i < from.size(); ++i) into[i] += from[i];
  };
  add(tested, other.tested);
  add(accepted, other.accepted);
  num_restarts += other.num_restarts;
  num_ratio_calls += other.num_ratio_calls;
  return *this;
}

Trials new_trials(int64_t count, at::Device device) {
  const at::Tensor zeros = at::zeros({count}, at::TensorOptions(at::kLong).device(device));
  return {.log_ratio = zeros.to(at::kDouble),
          .is_started = zeros.to(at::kBool),
          .calls = zeros,
          .total_calls = zeros,
          .num_starts = at::ones_like(zeros),
          .num_tests = zeros,
          .num_sent_back = zeros};
}

Trials pick(const Trials& trials, const at::Tensor& rows) {
  using diffusion::pick_rows;
  return {.log_ratio = pick_rows(trials.log_ratio, rows),
          .is_started = pick_rows(trials.is_started, rows),
          .calls = pick_rows(trials.calls, rows),
          .total_calls = pick_rows(trials.total_calls, rows),
          .num_starts = pick_rows(trials.num_starts, rows),
          .num_tests = pick_rows(trials.num_tests, rows),
          .num_sent_back = pick_rows(trials.num_sent_back, rows)};
}

Trials join(const Trials& a, const Trials& b) {
  return {.log_ratio = at::cat({a.log_ratio, b.log_ratio}),
          .is_started = at::cat({a.is_started, b.is_started}),
          .calls = at::cat({a.calls, b.calls}),
          .total_calls = at::cat({a.total_calls, b.total_calls}),
          .num_starts = at::cat({a.num_starts, b.num_starts}),
          .num_tests = at::cat({a.num_tests, b.num_tests}),
          .num_sent_back = at::cat({a.num_sent_back, b.num_sent_back})};
}

Rejection::Rejection(std::shared_ptr<const diffusion::DensityRatio> ratio,
                     const RejectionConfig& config, const Sampler& sampler, RejectionTables tables)
    : ratio_(std::move(ratio)),
      config_(config),
      tables_(std::move(tables)),
      num_steps_(sampler.num_steps()),
      last_level_(config.last_level == 0 ? num_steps_ : config.last_level) {
  const int64_t least = sampler.num_function_evaluations();
  if (config_.max_calls == 0) config_.max_calls = 3 * least;
  if (config_.max_calls < least)
    throw UsageError({.where = "rejection.max_calls",
                      .what = "no image could ever be finished",
                      .got = std::to_string(config_.max_calls),
                      .expected = fmt::format("at least {}, what the solver costs", least),
                      .hint = ""});
  if (config_.exact && !sampler.is_stochastic())
    throw UsageError({.where = "rejection.exact",
                      .what = "a deterministic solver returns the same rejected image for ever",
                      .got = "",
                      .expected = "a solver that draws noise at every step",
                      .hint = "Use ddpm or euler_ancestral, or leave exact out"});
  check_levels(config_, num_steps_);
  check_tables(tables_, num_steps_);
  std::vector<int64_t> calls, remaining(static_cast<size_t>(num_steps_) + 1, 0);
  for (int64_t level = 0; level < num_steps_; ++level)
    calls.push_back(sampler.calls_of_step(level));
  for (size_t level = calls.size(); level-- > 0;)
    remaining[level] = remaining[level + 1] + calls[level];
  calls_of_step_ = at::tensor(calls, at::kLong);
  remaining_calls_ = at::tensor(remaining, at::kLong);
}

at::Tensor Rejection::log_ratio(const at::Tensor& levels, int64_t chunk_size,
                                const Walkers& walkers, const at::Tensor& rows,
                                RejectionCounts& counts) const {
  const Walkers asked = pick(walkers, rows);
  const at::Tensor sigma = levels.index_select(0, asked.level);
  counts.num_ratio_calls += rows.size(0);
  return diffusion::in_fixed_chunks(rows.size(0), chunk_size, [&](const at::Tensor& part) {
    const at::Tensor values =
        ratio_->log_ratio(diffusion::pick_rows(asked.x, part), diffusion::pick_rows(sigma, part),
                          diffusion::pick_rows(asked.conditions.class_labels, part));
    return std::vector<at::Tensor>{values.to(at::kDouble)};
  })[0];
}

void Rejection::draw_priors(const at::Tensor& levels, const at::Tensor& rows, Walkers& walkers,
                            Trials& trials) const {
  const auto [most, worst] = trials.num_starts.index_select(0, rows).max(0);
  if (most.item<int64_t>() >= kMaxStarts)
    throw NumericError(
        {.where = "rejection",
         .what = fmt::format("the image of seed {} was started {} times and never accepted",
                             seed_of(walkers, rows, worst), most.item<int64_t>()),
         .got = "",
         .expected = "",
         .hint = "Lower rejection.percentile, or train the discriminator for less "
                 "long: it is too sure of itself"});
  assign(walkers.x, rows,
         levels[0] * normal_rows(Purpose::kLatent, trials.num_starts, rows, walkers));
  walkers.level = walkers.level.index_fill(0, rows, 0);
  forget_memory(walkers, rows);
  add_one(trials.num_starts, rows);
}

void Rejection::start(const at::Tensor& levels, int64_t chunk_size, Walkers& walkers,
                      Trials& trials, RejectionCounts& counts) const {
  counts.tested.resize(static_cast<size_t>(num_steps_) + 1);
  counts.accepted.resize(static_cast<size_t>(num_steps_) + 1);
  at::Tensor rows = rows_where(
      (walkers.level == config_.first_level).logical_and(trials.is_started.logical_not()));
  const bool is_tested = config_.first_level == 0;
  while (rows.size(0) > 0) {
    const at::Tensor ratio = log_ratio(levels, chunk_size, walkers, rows, counts);
    const at::Tensor accepted =
        is_tested ? is_accepted(ratio - tables_.marginal[0], rows, walkers, trials)
                  : at::ones({rows.size(0)}, ratio.options().dtype(at::kBool));
    const at::Tensor kept = rows_where(accepted);
    assign(trials.log_ratio, rows.index_select(0, kept), ratio.index_select(0, kept));
    trials.is_started = trials.is_started.index_fill(0, rows.index_select(0, kept), true);
    if (is_tested) {
      counts.tested[0] += rows.size(0);
      counts.accepted[0] += kept.size(0);
    }
    rows = rows.index_select(0, rows_where(accepted.logical_not()));
    if (rows.size(0) > 0) draw_priors(levels, rows, walkers, trials);
  }
}

void Rejection::send_back(const at::Tensor& levels, const at::Tensor& rows, Walkers& walkers,
                          Trials& trials) const {
  const at::Tensor level = walkers.level.index_select(0, rows);
  const at::Tensor target = (level - config_.back_steps).clamp_min(0);
  const at::Tensor added =
      (levels.index_select(0, target).square() - levels.index_select(0, level).square()).sqrt();
  const at::Tensor noise = normal_rows(Purpose::kRenoise, trials.num_sent_back, rows, walkers);
  assign(walkers.x, rows,
         walkers.x.index_select(0, rows) + diffusion::per_item(added, noise) * noise);
  assign(walkers.level, rows, target);
  forget_memory(walkers, rows);
  add_one(trials.num_sent_back, rows);
}

void Rejection::judge(const at::Tensor& levels, int64_t chunk_size, const Walkers& before,
                      Walkers& walkers, Trials& trials, RejectionCounts& counts) const {
  const at::Tensor calls = calls_of_step_.to(before.level.device()).index_select(0, before.level);
  trials.calls = trials.calls + calls;
  trials.total_calls = trials.total_calls + calls;

  const auto is_tested = [&](const Walkers& who) {
    return (who.level > config_.first_level).logical_and(who.level <= last_level_);
  };
  const auto options = at::TensorOptions(at::kDouble).device(walkers.x.device());
  const at::Tensor marginal = at::tensor(tables_.marginal, options);
  const at::Tensor transition = at::tensor(tables_.transition, options);
  at::Tensor rows = rows_where(is_tested(walkers));
  bool is_first = true;
  while (rows.size(0) > 0) {
    const at::Tensor ratio = log_ratio(levels, chunk_size, walkers, rows, counts);
    const at::Tensor level = walkers.level.index_select(0, rows);
    const at::Tensor constant =
        is_first ? transition.index_select(0, level) + trials.log_ratio.index_select(0, rows)
                 : marginal.index_select(0, level);
    const at::Tensor accepted = is_accepted(ratio - constant, rows, walkers, trials);
    const at::Tensor kept = rows_where(accepted);
    count_levels(level, counts.tested);
    count_levels(level.index_select(0, kept), counts.accepted);
    assign(trials.log_ratio, rows.index_select(0, kept), ratio.index_select(0, kept));
    rows = rows.index_select(0, rows_where(accepted.logical_not()));
    if (rows.size(0) == 0) break;
    if (config_.exact) {
      assign(walkers.x, rows, before.x.index_select(0, rows));
      assign(walkers.level, rows, before.level.index_select(0, rows));
      if (before.memory.defined()) {
        assign(walkers.memory, rows, before.memory.index_select(0, rows));
        assign(walkers.memory_level, rows, before.memory_level.index_select(0, rows));
      } else {
        forget_memory(walkers, rows);
      }
      break;
    }
    send_back(levels, rows, walkers, trials);
    is_first = false;
    rows = rows.index_select(0, rows_where(is_tested(walkers).index_select(0, rows)));
  }
  // Whoever fell to the first level is tested anew as a prior.
  if (!config_.exact)
    trials.is_started = trials.is_started.logical_and(walkers.level > config_.first_level);
  restart_over_budget(levels, walkers, trials, counts);
}

void Rejection::restart_over_budget(const at::Tensor& levels, Walkers& walkers, Trials& trials,
                                    RejectionCounts& counts) const {
  const at::Tensor remaining =
      remaining_calls_.to(walkers.level.device()).index_select(0, walkers.level);
  const at::Tensor rows = rows_where(trials.calls + remaining > config_.max_calls);
  if (rows.size(0) == 0) return;
  const auto [most, worst] = trials.total_calls.index_select(0, rows).max(0);
  if (most.item<int64_t>() >= kMaxAttempts * config_.max_calls)
    throw NumericError({.where = "rejection.max_calls",
                        .what = fmt::format(
                            "the image of seed {} took {} denoiser calls, {} an attempt, and was "
                            "never finished",
                            seed_of(walkers, rows, worst), most.item<int64_t>(), config_.max_calls),
                        .got = "",
                        .expected = "",
                        .hint = "Allow more calls, or lower rejection.percentile"});
  draw_priors(levels, rows, walkers, trials);
  trials.calls = trials.calls.index_fill(0, rows, 0);
  trials.is_started = trials.is_started.index_fill(0, rows, false);
  counts.num_restarts += rows.size(0);
}

std::vector<double> rejection_constants(const std::vector<std::vector<double>>& noted,
                                        const RejectionConfig& config) {
  std::vector<double> constants;
  for (const std::vector<double>& values : noted) {
    const double quantile =
        values.empty()
            ? 0
            : at::quantile(at::tensor(values, at::kDouble), config.percentile).item<double>();
    constants.push_back(config.allow_below_one ? quantile : std::max(0.0, quantile));
  }
  return constants;
}

nlohmann::ordered_json to_json(const RejectionTables& tables) {
  return {{"marginal", tables.marginal}, {"transition", tables.transition}};
}

RejectionTables tables_from_json(const nlohmann::json& json, const std::string& where) {
  try {
    return {.marginal = json.at("marginal").get<std::vector<double>>(),
            .transition = json.at("transition").get<std::vector<double>>()};
  } catch (const nlohmann::json::exception& error) {
    throw DataError({.where = where,
                     .what = "not a file of rejection tables",
                     .got = error.what(),
                     .expected = "lists marginal and transition",
                     .hint = ""});
  }
}

nlohmann::ordered_json to_json(const RejectionCounts& counts) {
  return {{"tested", counts.tested},
          {"accepted", counts.accepted},
          {"num_restarts", counts.num_restarts},
          {"num_ratio_calls", counts.num_ratio_calls}};
}

}  // namespace equipoise::samplers
