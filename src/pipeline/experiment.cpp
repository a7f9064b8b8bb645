#include "pipeline/experiment.h"

#include <numeric>
#include <set>

#include <fmt/format.h>
#include <torch/version.h>

#include "audit/findings.h"
#include "audit/group_audit.h"
#include "core/error.h"
#include "core/libtorch.h"
#include "diffusion/model_file.h"
#include "io/files.h"
#include "io/json_lines.h"
#include "io/npy.h"
#include "pipeline/image_data.h"
#include "pipeline/ratio_error.h"
#include "pipeline/sample_model.h"
#include "pipeline/stages.h"
#include "pipeline/training_stages.h"
#include "report/html_report.h"
#include "report/sample_grid.h"
#include "samplers/sample_images.h"

namespace equipoise::pipeline {
namespace {

using Json = nlohmann::json;
using objectives::ObjectiveRegistry;
using objectives::RatioNeed;

constexpr int64_t kGridImages = 80, kGridColumns = 10;

/// Writes the resolved config of a new run, or makes sure that a resumed one is the same.
void claim_folder(const track::RunFolder& folder, const ExperimentConfig& config, bool resume) {
  const std::string text = to_toml(config.to_json());
  if (!std::filesystem::exists(folder.config())) {
    io::write_file_atomically(folder.config(), text);
  } else if (!resume) {
    throw UsageError({.where = folder.path().string(),
                      .what = "this folder already holds a run",
                      .got = "",
                      .expected = "",
                      .hint = "Go on with --resume, or name another folder with --out"});
  } else if (io::read_file(folder.config()) != text) {
    throw UsageError(
        {.where = folder.config().string(),
         .what = "the run in this folder has another configuration",
         .got = "",
         .expected = "",
         .hint = "Resume with the options of the first start, or name another folder with --out"});
  }
}

/// Length of the part of stats.jsonl that finished stages wrote; what an unfinished stage wrote is
/// written again.
int64_t finished_stats_bytes(const std::filesystem::path& path, const Stages& stages) {
  if (!std::filesystem::exists(path)) return 0;
  const std::string text = io::read_file(path);
  size_t kept = 0;
  for (size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', kept)) {
    const Json line =
        Json::parse(text.substr(kept, end - kept), nullptr, /*allow_exceptions=*/false);
    if (!line.is_object() || !stages.is_done(line.value("stage", ""))) break;
    kept = end + 1;
  }
  return static_cast<int64_t>(kept);
}

class Experiment {
 public:
  Experiment(const ExperimentConfig& config, const std::filesystem::path& path, bool resume,
             Progress& progress)
      : config_(config),
        progress_(progress),
        folder_(path),
        stages_((claim_folder(folder_, config, resume), path / "state.json"), resume),
        stats_(folder_.stats(), finished_stats_bytes(folder_.stats(), stages_)),
        data_(load_image_data(config, path / "split.json", progress)),
        context_{.config = config_,
                 .data = data_,
                 .folder = folder_,
                 .stats = stats_,
                 .resume = resume,
                 .progress = progress_} {}

  /// The density ratios that the methods need.
  Json train_ratios() {
    std::set<RatioNeed> needs;
    for (const MethodConfig& method : config_.methods)
      needs.insert(ObjectiveRegistry::instance().find(method.objective).make.ratio_need);
    if (needs.contains(RatioNeed::kTimeDependent) && config_.ratio.labels == "soft")
      needs.insert(RatioNeed::kTimeIndependent);  // the teacher; in this order it comes first
    Json ratios = Json::array();
    for (RatioNeed need : needs) {
      if (need == RatioNeed::kNone) continue;
      ratios.push_back(stages_.run(ratio_name(need), [&] { return train_ratio(context_, need); }));
    }
    return ratios;
  }

  Json train(const MethodConfig& method) {
    return stages_.run(method.name, [&] { return train_method(context_, method); });
  }

  void run() {
    const Json classifier = stages_.run("classifier", [&] { return train_classifier(context_); });
    nlohmann::ordered_json results{
        {"format", "equipoise-results/1"}, {"title", config_.title},      {"seed", config_.seed},
        {"software", software()},          {"config", config_.to_json()}, {"data", data_.to_json()},
        {"classifier", classifier},        {"ratios", train_ratios()}};
    if (has_closed_form(data_) && config_.ratio.kind == "trained" && results["ratios"].size() == 2)
      results["ratio_error"] =
          stages_.run("ratio error", [&] { return measure_ratio_error(context_); });
    Json methods = Json::array();
    for (const MethodConfig& method : config_.methods) methods.push_back(make_method(method));
    for (Json& method : methods) {
      const std::string name = method["name"];
      method["samples"] = stages_.run("sample " + name, [&] { return draw_samples(name); });
    }
    const audit::AuditReference reference = make_reference(classifier);
    for (Json& method : methods) {
      const std::string name = method["name"];
      method.update(stages_.run("measure " + name, [&] { return measure(name, reference); }));
    }
    results["methods"] = std::move(methods);
    results["stages"] = stages_.times();
    results["findings"] = audit::to_json(audit::find_all(results));
    io::write_file_atomically(folder_.results(), results.dump(1));
    report::write_report(folder_.path(), folder_.report());
  }

 private:
  Json software() const {
    return {{"equipoise", EQUIPOISE_VERSION},
            {"libtorch", TORCH_VERSION},
            {"threads", config_.num_workers()}};
  }

  Json make_method(const MethodConfig& method) {
    const auto& entry = ObjectiveRegistry::instance().find(method.objective);
    Json json{{"name", method.name},
              {"objective", method.objective},
              {"options", method.options},
              {"title", method.name == method.objective ? entry.make.title : method.name},
              {"summary", entry.info.summary},
              {"formula", entry.make.formula}};
    json.update(train(method));
    return json;
  }

  Json draw_samples(const std::string& name) {
    std::vector<int64_t> seeds(static_cast<size_t>(config_.sample.num));
    std::iota(seeds.begin(), seeds.end(), config_.sample.seed_first);
    const SampleJob job{.model = folder_.model(name),
                        .out = folder_.samples(name),
                        .seeds = seeds,
                        .method = {.sampler = config_.sampler},
                        .classes = config_.model.conditional ? "random" : "",
                        .latents = {},
                        .seed_base = static_cast<uint64_t>(config_.seed),
                        .batch_size = config_.sample.batch_size,
                        .num_workers = config_.num_workers(),
                        .device = config_.device};
    Json json = sample_model(job, progress_);
    json.update({{"file", "samples/" + job.out.filename().string()},
                 {"seed_first", config_.sample.seed_first},
                 {"sampler", config_.sampler}});
    if (!data_.training->is_vectors()) {
      const at::Tensor images = stored_samples(name);
      io::write_file_atomically(
          folder_.grid(name),
          report::encode_grid_png(images.slice(0, 0, kGridImages), kGridColumns));
      json["grid"] = "samples/" + folder_.grid(name).filename().string();
    }
    return json;
  }

  /// Samples as the audit sees them: uint8 [N,C,H,W], or float32 [N,D].
  at::Tensor stored_samples(const std::string& name) const {
    const at::Tensor array = io::read_npz(folder_.samples(name)).at("arr_0");
    return array.dim() == 2 ? array : array.permute({0, 3, 1, 2}).contiguous();
  }

  audit::AuditReference make_reference(const Json& classifier) {
    auto network = diffusion::load_classifier(folder_.model("classifier")).network;
    network->eval();
    const auto rows = classifier.at("confusion").get<std::vector<std::vector<int64_t>>>();
    const at::Tensor shown = at::cat({data_.split.biased, data_.split.reference});
    return audit::make_reference(
        network,
        {.evaluation_images = raw_images(*data_.evaluation, data_.target_indices),
         .training_images = raw_images(*data_.training, shown),
         .confusion = rows,
         .group_names = data_.split.groups,
         .target = data_.split.target,
         .feature_recipe = fmt::format("{} classifier, penultimate layer, sha256 {}",
                                       config_.classifier_network.at("type").get<std::string>(),
                                       classifier.at("sha256").get<std::string>())},
        audit_options());
  }

  Json measure(const std::string& name, const audit::AuditReference& reference) {
    return Json::parse(
        audit::audit_samples(stored_samples(name), reference, audit_options()).dump());
  }

  audit::AuditOptions audit_options() const {
    return {.seed = static_cast<uint64_t>(config_.seed),
            .num_workers = config_.num_workers(),
            .progress = &progress_};
  }

  const ExperimentConfig& config_;
  Progress& progress_;
  track::RunFolder folder_;
  Stages stages_;
  track::StatsWriter stats_;
  ImageData data_;
  TrainingContext context_;
};

}  // namespace

void run_experiment(const ExperimentConfig& config, const std::filesystem::path& folder,
                    bool resume, Progress& progress) {
  Experiment(config, folder, resume, progress).run();
}

void train_experiment(const ExperimentConfig& config, const std::filesystem::path& folder,
                      bool resume, Progress& progress) {
  if (config.methods.size() != 1)
    throw UsageError(
        {.where = "objectives",
         .what = "train makes one model",
         .got = fmt::format("{} objectives", config.methods.size()),
         .expected = "1",
         .hint = "Use 'equipoise run' for several, or --set objectives='[\"tiw_dsm\"]'"});
  Experiment experiment(config, folder, resume, progress);
  experiment.train_ratios();
  experiment.train(config.methods[0]);
}

}  // namespace equipoise::pipeline
