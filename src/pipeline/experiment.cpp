#include "pipeline/experiment.h"

#include <algorithm>
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
#include "nets/precision.h"
#include "pipeline/audit_model.h"
#include "pipeline/classifier_stages.h"
#include "pipeline/image_data.h"
#include "pipeline/label_stages.h"
#include "pipeline/process_folder.h"
#include "pipeline/ratio_error.h"
#include "pipeline/sample_model.h"
#include "pipeline/stages.h"
#include "pipeline/training_stages.h"
#include "report/documents.h"
#include "report/sample_grid.h"
#include "samplers/sample_images.h"
#include "track/run_events.h"

namespace equipoise::pipeline {
namespace {

using Json = nlohmann::json;
using objectives::ObjectiveRegistry;
using objectives::RatioNeed;

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
             Progress& progress, std::shared_ptr<const ProcessGroup> processes)
      : config_(config),
        progress_(progress),
        folder_(path),
        stages_((claim_folder(folder_, config, resume), path / "state.json"), resume),
        stats_(folder_.stats(), finished_stats_bytes(folder_.stats(), stages_)),
        events_(path),
        data_(load_image_data(config, path / "split.json", progress)),
        context_{.config = config_,
                 .data = data_,
                 .folder = folder_,
                 .stats = stats_,
                 .resume = resume,
                 .progress = progress_,
                 .processes = std::move(processes)} {
    stats_.observe([this](const nlohmann::ordered_json& line) { events_.add_line(line); });
    if (config_.words.is_on()) check_words(config_.words, data_.split.groups);
    if (!config_.audit.methods.empty()) data_.training->attribute(audit_attribute());
  }

  /// The density ratios that the methods need.
  Json train_ratios() {
    std::set<RatioNeed> needs;
    for (const MethodConfig& method : config_.methods)
      needs.insert(ObjectiveRegistry::instance().find(method.objective).make.needs.ratio);
    if (needs.contains(RatioNeed::kTimeDependent) &&
        (config_.ratio.labels == "soft" || config_.ratio.kind == "posterior"))
      needs.insert(
          RatioNeed::kTimeIndependent);  // asked by the other; in this order it comes first
    Json ratios = Json::array();
    for (RatioNeed need : needs) {
      if (need == RatioNeed::kNone) continue;
      ratios.push_back(stages_.run(ratio_name(need), [&] { return train_ratio(context_, need); }));
      events_.add_ratio(ratios.back());
    }
    return ratios;
  }

  /// What is known of wrong labels, as far as any method asks; null when none does.
  Json train_labels() {
    const objectives::LabelNeed need = config_.label_need();
    if (need == objectives::LabelNeed::kNone) return nullptr;
    return stages_.run("label_posterior", [&] { return train_label_model(context_, need); });
  }

  Json train(const MethodConfig& method) {
    Json json = stages_.run(method.name, [&] { return train_method(context_, method); });
    events_.add_model(method.name);
    return json;
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
    if (const Json label_model = train_labels(); !label_model.is_null())
      results["label_model"] = label_model;
    Json methods = Json::array();
    for (const MethodConfig& method : config_.methods) methods.push_back(make_method(method));
    const Json guides = train_guides();
    if (!guides.empty()) results["guides"] = guides;
    for (Json& method : methods) {
      const std::string name = method["name"];
      method["samples"] = stages_.run(
          "sample " + name, [&] { return draw_samples(name, name, {.sampler = config_.sampler}); });
    }
    for (const VariantConfig& variant : config_.variants) methods.push_back(make_variant(variant));
    for (const Json& method : methods) events_.add_grid(method["name"]);
    const audit::AuditReference reference = make_reference(classifier);
    for (Json& method : methods) {
      const std::string name = method["name"];
      method.update(stages_.run("measure " + name, [&] {
        return measure(name, is_shown_reference_alone(method.value("of", name))
                                 ? with_reference_images(reference)
                                 : reference);
      }));
      if (config_.model.conditional && config_.classifier.on_samples)
        method["conditional"]["cas"] = stages_.run("cas_" + name, [&] {
          return train_on_samples(context_, name, conditioned_samples(name));
        });
    }
    if (!config_.audit.methods.empty())
      for (Json& method : methods)
        if (method.contains("model"))
          method["audit"] = stages_.run("audit " + method["name"].get<std::string>(),
                                        [&] { return ask(method["name"]); });
    results["methods"] = std::move(methods);
    results["stages"] = stages_.times();
    results["findings"] = audit::to_json(audit::find_all(results));
    io::write_file_atomically(folder_.results(), results.dump(1));
    report::write_documents(folder_.path());
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

  /// A trained method's model, sampled in another way.
  Json make_variant(const VariantConfig& variant) {
    return {{"name", variant.name},
            {"title", variant.name},
            {"of", variant.of},
            {"summary", "The model of " + variant.of + ", sampled in another way."},
            {"options", Json::parse(variant.method.to_text().dump())},
            {"samples", stages_.run("sample " + variant.name, [&] {
               return draw_samples(variant.name, variant.of, variant.method);
             })}};
  }

  /// The discriminators variants ask for, one a model, in the order of the methods.
  Json train_guides() {
    Json guides = Json::object();
    for (const MethodConfig& method : config_.methods) {
      const bool is_asked = std::ranges::any_of(config_.variants, [&](const VariantConfig& v) {
        return v.of == method.name && needs_discriminator(v.method);
      });
      if (is_asked)
        guides[method.name] =
            stages_.run("guide " + method.name, [&] { return train_guide_of(method.name); });
    }
    return guides;
  }

  Json train_guide_of(const std::string& name) {
    const at::Tensor real =
        config_.guide.real == "reference" ? data_.split.reference : data_.split.biased;
    const std::string guide = name + ".discriminator";
    RealImages images{.images = raw_images(*data_.training, real), .labels = {}};
    if (config_.model.conditional) images.labels = data_.shown->labels.index_select(0, real);
    return train_guide({.model = folder_.model(name),
                        .out = folder_.model(guide),
                        .generated = folder_.samples(name + ".generated"),
                        .real = images,
                        .method = {.sampler = config_.sampler},
                        .config = config_.guide,
                        .seed = static_cast<uint64_t>(config_.seed),
                        .num_workers = config_.num_workers(),
                        .device = config_.device,
                        .resume = context_.resume,
                        .on_tick = tick_writer(context_, guide)},
                       progress_);
  }

  Json draw_samples(const std::string& name, const std::string& model,
                    const SamplingMethod& method) {
    std::vector<int64_t> seeds(static_cast<size_t>(config_.sample.num));
    std::iota(seeds.begin(), seeds.end(), config_.sample.seed_first);
    const SampleJob job{.model = folder_.model(model),
                        .out = folder_.samples(name),
                        .seeds = seeds,
                        .method = method,
                        .classes = config_.model.conditional ? "random" : config_.words.sample,
                        .latents = {},
                        .seed_base = static_cast<uint64_t>(config_.seed),
                        .batch_size = config_.sample.batch_size,
                        .num_workers = config_.num_workers(),
                        .device = config_.device};
    Json json = sample_model(job, progress_);
    json.update({{"file", "samples/" + job.out.filename().string()},
                 {"seed_first", config_.sample.seed_first}});
    if (!data_.training->is_vectors()) {
      io::write_file_atomically(folder_.grid(name),
                                report::encode_first_images_png(stored_samples(name)));
      json["grid"] = "samples/" + folder_.grid(name).filename().string();
    }
    return json;
  }

  /// Samples as the audit sees them: uint8 [N,C,H,W], or float32 [N,D].
  at::Tensor stored_samples(const std::string& name) const {
    const at::Tensor array = io::read_npz(folder_.samples(name)).at("arr_0");
    return array.dim() == 2 ? array : array.permute({0, 3, 1, 2}).contiguous();
  }

  ConditionedSamples conditioned_samples(const std::string& name) const {
    return {.images = stored_samples(name),
            .classes = io::read_npz(folder_.samples(name)).at("arr_1")};
  }

  /// Whether a method's model could have copied reference images only.
  bool is_shown_reference_alone(const std::string& name) const {
    const auto method = std::ranges::find(config_.methods, name, &MethodConfig::name);
    return ObjectiveRegistry::instance().find(method->objective).make.training_set ==
           diffusion::TrainingSet::kReference;
  }

  audit::AuditReference with_reference_images(const audit::AuditReference& reference) const {
    return audit::with_training_images(
        reference, raw_images(*data_.training, data_.split.reference),
        raw_images(*data_.evaluation, data_.target_indices), audit_options());
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
    Json json =
        Json::parse(audit::audit_samples(stored_samples(name), reference, audit_options()).dump());
    if (config_.model.conditional)
      json["conditional"] = measure_conditions(context_, conditioned_samples(name), reference);
    if (config_.words.is_on() && !config_.words.sample.empty())
      json["by_word"] = measure_words(context_, conditioned_samples(name), reference);
    return json;
  }

  std::string audit_attribute() const {
    const std::string& named = config_.audit.attribute;
    return named.empty() ? config_.data.split.attributes.front() : named;
  }

  /// A conditional method's model, asked about evaluation images.
  Json ask(const std::string& name) {
    const std::string& other = config_.data.evaluation;
    const AuditJob job{.model = folder_.model(name),
                       .images = other.empty() ? config_.data.path : other,
                       .rows = data_.target_indices,
                       .attribute = audit_attribute(),
                       .methods = config_.audit.methods,
                       .samples = config_.words.sample.empty() ? "" : folder_.samples(name),
                       .num_images = config_.audit.num,
                       .steps = config_.audit.steps,
                       .num_draws = config_.audit.draws,
                       .elbo_draws = config_.audit.elbo_draws,
                       .distance_power = config_.audit.distance_power,
                       .seed = static_cast<uint64_t>(config_.seed),
                       .num_workers = config_.num_workers(),
                       .device = config_.device};
    return Json::parse(audit_model(job, progress_).dump());
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
  track::RunEvents events_;
  ImageData data_;
  TrainingContext context_;
};

void set_precision(const ExperimentConfig& config) {
  nets::set_precision(nets::parse_precision(config.precision, at::Device(config.device)));
}

}  // namespace

void run_experiment(const ExperimentConfig& config, const std::filesystem::path& folder,
                    bool resume, Progress& progress) {
  set_precision(config);
  Experiment(config, folder, resume, progress, std::make_shared<ProcessGroup>()).run();
}

void train_experiment(const ExperimentConfig& config, const std::filesystem::path& folder,
                      bool resume, Progress& progress,
                      std::shared_ptr<const ProcessGroup> processes) {
  if (config.methods.size() != 1)
    throw UsageError(
        {.where = "objectives",
         .what = "train makes one model",
         .got = fmt::format("{} objectives", config.methods.size()),
         .expected = "1",
         .hint = "Use 'equipoise run' for several, or --set objectives='[\"tiw_dsm\"]'"});
  set_precision(config);
  const ProcessFolder own(folder, *processes);
  Experiment experiment(config, own.path(), resume, progress, std::move(processes));
  experiment.train_ratios();
  experiment.train_labels();
  experiment.train(config.methods[0]);
}

}  // namespace equipoise::pipeline
