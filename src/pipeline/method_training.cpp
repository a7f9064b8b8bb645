#include "pipeline/method_training.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <tuple>

#include <fmt/format.h>

#include "core/error.h"
#include "core/libtorch.h"
#include "core/random.h"
#include "core/spelling.h"
#include "diffusion/model_file.h"
#include "io/hash.h"
#include "nets/state.h"
#include "pipeline/stage_steps.h"
#include "train/direction_probe.h"
#include "train/mixout.h"

namespace equipoise::pipeline {
namespace {

using Json = nlohmann::json;

/// Part of the streams that seeds of constraints are drawn from; part 0 is the training's own.
constexpr uint32_t kConstraintPart = 1;

/// A method of this run stands for its model file.
std::filesystem::path start_file(const TrainingContext& context, const MethodConfig& method) {
  const std::string& start = method.training.start;
  if (start.empty()) return {};
  const auto& names = context.config.objectives;
  if (std::find(names.begin(), names.end(), start) != names.end())
    return context.folder.model(start);
  return start;
}

bool has_option(const nets::NetworkConfig& network, const std::string& option) {
  std::istringstream lines(nets::NetworkRegistry::instance()
                               .find(network.at("type").get<std::string>())
                               .make.options_help());
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(option + " = ")) return true;
  return false;
}

std::shared_ptr<diffusion::PreconditionedDenoiser> copy_of(
    const diffusion::ModelConfig& model, const diffusion::PreconditionedDenoiser& denoiser,
    at::Device device) {
  auto copy = diffusion::make_denoiser(model, 0);
  nets::load_state(*copy, nets::state_of(denoiser), "copy of the network");
  copy->to(device);
  return copy;
}

std::vector<at::Tensor> snapshot(const std::vector<at::Tensor>& parameters) {
  std::vector<at::Tensor> copies;
  for (const at::Tensor& parameter : parameters) copies.push_back(parameter.detach().clone());
  return copies;
}

/// Group codes by name.
std::vector<int64_t> codes_of(const std::vector<std::string>& groups,
                              const std::vector<std::string>& known) {
  std::vector<int64_t> codes;
  for (const std::string& name : groups) {
    const auto found = std::find(known.begin(), known.end(), name);
    if (found == known.end()) throw unknown_name("group", name, known);
    codes.push_back(found - known.begin());
  }
  return codes;
}

at::Tensor only(const at::Tensor& indices, const at::Tensor& labels,
                const std::vector<int64_t>& codes) {
  return indices.masked_select(at::isin(labels.index_select(0, indices), at::tensor(codes)));
}

/// Images an epoch of a law goes through.
int64_t size_of(const MethodSets& sets, data::Law law) {
  if (law == data::Law::kBiased) return sets.biased.numel();
  if (law == data::Law::kReference) return sets.reference.numel();
  return sets.biased.numel() + sets.reference.numel();
}

/// Shares of the groups in what a law draws from.
std::vector<double> shares_of(const TrainingContext& context, const MethodSets& sets,
                              data::Law law) {
  const int64_t num_groups = context.data.num_groups();
  at::Tensor shares = at::zeros({num_groups}, at::kDouble);
  for (const auto& [indices, other_law] :
       {std::pair{sets.biased, data::Law::kReference}, {sets.reference, data::Law::kBiased}}) {
    if (law == other_law) continue;
    const at::Tensor labels = context.data.shown->labels.index_select(0, indices);
    shares +=
        at::bincount(labels, {}, num_groups).to(at::kDouble) / static_cast<double>(indices.numel());
  }
  shares /= shares.sum();
  return {shares.data_ptr<double>(), shares.data_ptr<double>() + num_groups};
}

train::ConstraintContext constraint_context(const TrainingContext& context,
                                            const MethodStart& start,
                                            const train::DenoiserTask::Parts& parts,
                                            size_t position) {
  return {
      .set = context.data.shown,
      .biased = context.data.split.biased,
      .reference = context.data.split.reference,
      .groups = context.data.split.groups,
      .heldout_set = context.data.evaluation,
      .heldout = context.data.target_indices,
      .noise = parts.noise,
      .sigma_data = parts.sigma_data,
      .label_dim = start.model.shape.label_dim,
      .seed = RandomStream(seed_of(context), Purpose::kSigma, position, kConstraintPart).next64(),
      .start = start.file,
      .num_workers = parts.num_workers,
      .device = parts.device};
}

/// Makes the constraints, and has each threshold held against its floor.
void add_constraints(const TrainingContext& context, const MethodConfig& method,
                     const MethodStart& start, const MethodSets& sets,
                     const train::DenoiserTask::Parts& parts, int64_t batch_size,
                     MethodTask& made) {
  const ConstraintsSection& section = context.config.constraints;
  const int64_t main_size = size_of(sets, parts.source->law());
  train::DualTraining::Parts dual{.config = section,
                                  .denoiser = start.denoiser,
                                  .batch_size = batch_size,
                                  .processes = context.processes};
  for (const std::string& name : method.training.constraints) {
    const size_t position = section.position(name);
    const auto& [_, settings, options] = section.entries[position];
    const std::shared_ptr<const train::Constraint> constraint =
        train::ConstraintRegistry::instance()
            .find(settings.kind)
            .make.make(options, constraint_context(context, start, parts, position));
    made.floors.push_back(constraint->floor());
    train::check_reachable(name, settings.threshold, made.floors.back(), section.relaxation);
    dual.constraints.push_back(
        {.name = name,
         .constraint = constraint,
         .threshold = settings.threshold,
         .batch_size =
             settings.batch_size > 0
                 ? settings.batch_size
                 : train::proportional_batch(batch_size, constraint->num_images(), main_size),
         .multiplier = settings.multiplier});
  }
  made.dual = std::make_shared<train::DualTraining>(std::move(dual));
  made.companions.push_back(made.dual);
}

/// Deciles 1, 3, 5, 7 and 9 of the training noise.
std::vector<double> probed_levels(const diffusion::NoiseLaw& law, uint64_t seed) {
  constexpr int64_t kDraws = 1000;
  const at::Tensor sorted = std::get<0>(law.draw(seed, at::arange(kDraws)).sort());
  std::vector<double> levels;
  for (const int64_t decile : {1, 3, 5, 7, 9})
    levels.push_back(sorted[decile * kDraws / 10].item<double>());
  return levels;
}

std::shared_ptr<train::DirectionProbe> make_probe(const TrainingContext& context,
                                                  const MethodSets& sets,
                                                  const train::DenoiserTask::Parts& parts,
                                                  const train::LoopConfig& loop) {
  const TrainSection& config = context.config.train;
  std::vector<train::DirectionProbe::Subject> subjects{
      {"all", std::make_shared<train::DenoiserTask>(parts)}};
  const auto& groups = context.data.split.groups;
  for (size_t code = 0; config.direction_groups && code < groups.size(); ++code) {
    const at::Tensor& labels = context.data.shown->labels;
    const std::vector<int64_t> codes{static_cast<int64_t>(code)};
    const at::Tensor biased = only(sets.biased, labels, codes),
                     reference = only(sets.reference, labels, codes);
    const data::Law law = parts.source->law();
    if ((law != data::Law::kReference && biased.numel() == 0) ||
        (law != data::Law::kBiased && reference.numel() == 0))
      continue;
    train::DenoiserTask::Parts own = parts;
    own.source = std::make_shared<data::BatchSource>(
        context.data.shown, biased, reference,
        data::BatchSource::Options{
            .law = law, .seed = seed_of(context), .augment = config.augment});
    subjects.push_back({groups[code], std::make_shared<train::DenoiserTask>(own)});
  }
  if (config.direction_levels)
    for (const double sigma : probed_levels(parts.noise, parts.seed)) {
      train::DenoiserTask::Parts own = parts;
      own.noise = {.law = "edm", .p_mean = std::log(sigma), .p_std = 0};
      subjects.push_back(
          {fmt::format("σ = {:.2g}", sigma), std::make_shared<train::DenoiserTask>(own)});
    }
  return std::make_shared<train::DirectionProbe>(
      train::DirectionProbe::Config{.num_minibatches = config.direction_minibatches,
                                    .batch_size = loop.batch_size,
                                    .micro_batch_size = loop.micro_batch_size,
                                    .lanes = loop.lanes},
      std::move(subjects), *parts.denoiser);
}

Json constraint_json(const ConstraintsSection& section, const train::BoundConstraint& bound,
                     const train::Floor& floor, double multiplier, const Json& last) {
  Json json{{"name", bound.name},
            {"kind", section.entries[section.position(bound.name)].settings.kind},
            {"threshold", bound.threshold},
            {"floor", {{"value", floor.value}, {"standard_error", floor.standard_error}}},
            {"num_images", bound.constraint->num_images()},
            {"batch_size", bound.batch_size},
            {"multiplier", multiplier}};
  if (last.contains(bound.name))
    for (const char* key : {"loss", "heldout_loss"})
      if (last[bound.name].contains(key)) json[key] = last[bound.name][key];
  if (section.relaxation == 0 && json.contains("loss"))
    json["is_met"] = json["loss"].get<double>() <= bound.threshold;
  return json;
}

Json constraints_json(const TrainingContext& context, const MethodTask& task,
                      const train::TrainResult& result) {
  const ConstraintsSection& section = context.config.constraints;
  const train::DualAscent& ascent = task.dual->ascent();
  const Json last = result.curve.empty() ? Json::object()
                                         : result.curve.back().notes.value("constraints", Json{});
  Json entries = Json::array();
  std::vector<std::vector<double>> parts;
  bool all_have_groups = true;
  for (size_t i = 0; i < task.dual->constraints().size(); ++i) {
    const train::BoundConstraint& bound = task.dual->constraints()[i];
    entries.push_back(
        constraint_json(section, bound, task.floors[i], ascent.multipliers()[i], last));
    parts.push_back(bound.constraint->group_shares());
    all_have_groups &= !parts.back().empty();
  }
  Json json{{"entries", entries},
            {"dual_steps", ascent.num_steps()},
            {"capped_steps", ascent.num_capped()}};
  if (all_have_groups)
    json["mixture_shares"] = train::mixture_shares(task.shares, parts, ascent.multipliers());
  return json;
}

}  // namespace

MethodStart make_start(const TrainingContext& context, const MethodConfig& method,
                       diffusion::ModelConfig fresh) {
  MethodStart start{.model = std::move(fresh), .file = start_file(context, method)};
  if (start.file.empty()) {
    start.denoiser = diffusion::make_denoiser(start.model, seed_of(context));
    start.denoiser->to(device_of(context));
    return start;
  }
  diffusion::LoadedModel loaded = diffusion::load_model(start.file);
  nets::DataShape data = context.data.shape;
  data.label_dim = start.model.shape.label_dim;
  diffusion::check_fits(loaded.config.shape, data, start.file.string());
  loaded.config.extra = std::move(start.model.extra);
  loaded.config.extra["start_sha256"] = io::sha256_of_file(start.file);
  start.model = std::move(loaded.config);
  if (method.training.mixout > 0 && has_option(start.model.network, "dropout"))
    start.model.network["dropout"] = 0;
  start.denoiser = copy_of(start.model, *loaded.denoiser, device_of(context));
  start.weights = snapshot(start.denoiser->parameters());
  return start;
}

MethodSets sets_of(const TrainingContext& context, const std::vector<std::string>& groups) {
  const data::Split& split = context.data.split;
  if (groups.empty()) return {.biased = split.biased, .reference = split.reference};
  const std::vector<int64_t> codes = codes_of(groups, split.groups);
  const at::Tensor& labels = context.data.shown->labels;
  return {.biased = only(split.biased, labels, codes),
          .reference = only(split.reference, labels, codes)};
}

train::LoopConfig loop_of(const ExperimentConfig& config, const MethodConfig& method) {
  train::LoopConfig loop = config.train;
  if (method.training.images > 0) loop.images = method.training.images;
  if (method.training.learning_rate > 0) loop.learning_rate = method.training.learning_rate;
  return loop;
}

MethodTask make_task(const TrainingContext& context, const MethodConfig& method,
                     const MethodStart& start, const MethodSets& sets,
                     const train::DenoiserTask::Parts& parts, const train::LoopConfig& loop) {
  const MethodTraining& training = method.training;
  MethodTask made;
  made.shares = shares_of(context, sets, parts.source->law());
  if (!training.constraints.empty())
    add_constraints(context, method, start, sets, parts, loop.batch_size, made);
  const auto item = context.data.item_shape();
  const int64_t elements = c10::multiply_integers(item);
  const auto task_on = [&](const std::shared_ptr<diffusion::PreconditionedDenoiser>& denoiser) {
    train::DenoiserTask::Parts own = parts;
    own.denoiser = denoiser;
    std::shared_ptr<const train::TrainingTask> task = std::make_shared<train::DenoiserTask>(own);
    if (made.dual)
      task = std::make_shared<train::ConstrainedTask>(task, denoiser, elements, made.dual);
    if (training.pull > 0)
      task = std::make_shared<train::PulledTask>(task, training.pull, denoiser->parameters(),
                                                 start.weights);
    return task;
  };
  made.task = task_on(start.denoiser);
  if (training.mixout > 0) {
    train::MixoutTask::Parts mixed{.config = training.mixout_config(),
                                   .seed = seed_of(context),
                                   .plain = made.task,
                                   .parameters = start.denoiser->parameters(),
                                   .pretrained = start.weights};
    for (int64_t lane = 0; lane < loop.lanes; ++lane) {
      const auto replica = copy_of(start.model, *start.denoiser, device_of(context));
      mixed.replicas.push_back({task_on(replica), replica->parameters()});
    }
    made.task = std::make_shared<train::MixoutTask>(std::move(mixed));
  }
  if (context.config.train.direction_statistics)
    made.companions.push_back(make_probe(context, sets, parts, loop));
  return made;
}

Json describe(const TrainingContext& context, const MethodConfig& method, const MethodStart& start,
              const MethodTask& task, const train::TrainResult& result) {
  Json json = Json::object();
  if (!start.file.empty())
    json["start"] = {{"file", method.training.start},
                     {"sha256", start.model.extra.at("start_sha256")},
                     {"distance", train::distance(start.denoiser->parameters(), start.weights)}};
  if (!task.dual) return json;
  json["constraints"] = constraints_json(context, task, result);
  if (task.dual->ascent().num_capped() > 0)
    context.progress.message(
        fmt::format("{}: a multiplier met its upper bound {} in {} of {} dual steps", method.name,
                    context.config.constraints.max_multiplier, task.dual->ascent().num_capped(),
                    task.dual->ascent().num_steps()));
  return json;
}

}  // namespace equipoise::pipeline
