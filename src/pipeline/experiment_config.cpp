#include "pipeline/experiment_config.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "core/error.h"
#include "core/named_options.h"
#include "core/parallel.h"
#include "core/spelling.h"
#include "objectives/objective.h"
#include "pipeline/audit_model.h"
#include "samplers/sampler.h"

namespace equipoise::pipeline {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMinPreview = 3;  // images that a kernel distance wants

/// A free-form table with a "type"; `fallback` when it is absent or names no type.
Json typed_table(ConfigTree& tree, const std::string& path, const Json& fallback) {
  tree.accept_all_below(path);
  Json table = tree.value(path);
  if (table.is_null()) return fallback;
  if (!table.is_object() || !table.contains("type")) {
    tree.add_problem("[" + path + "] has no 'type'");
    return fallback;
  }
  return table;
}

MethodConfig read_method(ConfigTree& tree, const std::string& name) {
  const std::string path = "objective." + name;
  tree.accept_all_below(path);
  MethodConfig method{.name = name, .objective = name, .options = tree.value(path)};
  if (method.options.is_null()) method.options = Json::object();
  if (method.options.contains("method")) {
    method.objective = method.options["method"].get<std::string>();
    method.options.erase("method");
  }
  try {
    method.training = take_training(method.options, path);
    const auto& entry = objectives::ObjectiveRegistry::instance().find(method.objective);
    if (entry.make.needs.has_no_inputs()) entry.make.make(method.options, {});
  } catch (const UsageError& error) {
    tree.add_problem("[" + tree.origin("objectives") + "] " + error.what());
  }
  return method;
}

/// [variant.NAME]: a method of this run, sampled in another way.
VariantConfig read_variant(ConfigTree& tree, const std::string& name,
                           const ExperimentConfig& config) {
  const std::string path = "variant." + name;
  std::string of, rejection, sampler;
  std::vector<std::string> guidance;
  tree.read_fields(path, [&](FieldVisitor& f) {
    f("of", of, "", "the method whose model is sampled");
    f("sampler", sampler, "", "solver and options; empty = [sampler]");
    f("guidance", guidance, "", "terms, each NAME:key=value,…");
    f("rejection", rejection, "", "options of rejection, key=value,…; empty = none");
  });
  VariantConfig variant{.name = name, .of = of, .method = {}};
  const std::string where = fmt::format("[{}] {}: ", tree.origin(path + ".of"), path);
  if (std::find(config.objectives.begin(), config.objectives.end(), of) == config.objectives.end())
    tree.add_problem(fmt::format("{}'of' must name one of 'objectives', got '{}'", where, of));
  if (std::find(config.objectives.begin(), config.objectives.end(), name) !=
      config.objectives.end())
    tree.add_problem(where + "a method has this name already");
  try {
    variant.method = parse_sampling_method(
        sampler.empty() ? "heun" : sampler, guidance,
        rejection.empty() ? std::nullopt : std::optional<std::string>(rejection));
    if (sampler.empty()) variant.method.sampler = config.sampler;
  } catch (const UsageError& error) {
    tree.add_problem(where + error.what());
  }
  return variant;
}

objectives::LabelNeed need_of(const MethodConfig& method) {
  const auto& registry = objectives::ObjectiveRegistry::instance();
  return registry.contains(method.objective) ? registry.find(method.objective).make.needs.labels
                                             : objectives::LabelNeed::kNone;
}

/// What wrong labels and the correction of labels rule out.
void check_labels(ConfigTree& tree, const ExperimentConfig& config) {
  const bool has_noise = config.data.label_noise.kind != "none";
  const bool chooses = config.train.snapshot == "best" || config.train.patience > 0;
  if (has_noise && chooses)
    tree.add_problem(fmt::format(
        "[{}] train.snapshot = \"best\" and train.patience choose by true labels, which "
        "data.label_noise hides from training",
        tree.origin("data.label_noise.kind")));
  if ((config.data.label_noise.kind == "labels") == config.data.label_noise.labels_file.empty())
    tree.add_problem(
        fmt::format("[{}] data.label_noise.labels_file and kind = \"labels\" go together",
                    tree.origin("data.label_noise.kind")));
  if (config.train.label_dropout > 0 && !config.model.conditional && !config.words.is_on())
    tree.add_problem(
        fmt::format("[{}] train.label_dropout needs model.conditional = true, or words",
                    tree.origin("train.label_dropout")));
  for (const MethodConfig& method : config.methods) {
    if (need_of(method) == objectives::LabelNeed::kNone) continue;
    const std::string where = fmt::format("[{}] {}", tree.origin("objectives"), method.name);
    if (!config.model.conditional)
      tree.add_problem(where + " corrects labels: it needs model.conditional = true");
    if (config.network.value("label_dropout", 0.0) > 0)
      tree.add_problem(where +
                       " must know which labels are dropped: use train.label_dropout in the "
                       "place of model.network.label_dropout");
    if (config.label_model.transition == "known" && !has_noise)
      tree.add_problem(where +
                       " needs to know how labels go wrong, and data.label_noise makes none "
                       "wrong: set label_model.transition to file, learned or anchors");
    if (config.label_model.transition == "file" && config.label_model.transition_file.empty())
      tree.add_problem(where + " needs label_model.transition_file");
  }
}

void check_audit(ConfigTree& tree, const ExperimentConfig& config) {
  if (!config.audit.methods.empty() && !config.model.conditional && !config.words.is_on())
    tree.add_problem(fmt::format(
        "[{}] there is nothing to ask models that are told nothing: audit needs model.conditional "
        "= true, or words",
        tree.origin("audit.methods")));
  const std::vector<std::string>& groups = config.data.split.attributes;
  const std::vector<std::string> asked =
      config.audit.attribute.empty() ? groups : std::vector{config.audit.attribute};
  if (!config.audit.methods.empty() && config.model.conditional && asked != groups)
    tree.add_problem(
        fmt::format("[{}] a model told of classes can be asked for these alone: audit.attribute "
                    "must be the one of data.split.attributes",
                    tree.origin("audit.attribute")));
  const bool asks_of_words =
      config.words.is_on() && std::ranges::count(config.audit.methods, "embedding_bias") > 0;
  if (asks_of_words && config.words.sample.empty())
    tree.add_problem(
        fmt::format("[{}] embedding_bias judges words by the run's own samples of them: list these "
                    "words in words.sample",
                    tree.origin("audit.methods")));
  if (config.audit.elbo_draws == 1)
    tree.add_problem(
        fmt::format("[{}] audit.elbo_draws is 2 at least, or 0: draws are compared "
                    "with each other",
                    tree.origin("audit.elbo_draws")));
  for (const std::string& method : config.audit.methods)
    if (std::ranges::find(audit_methods(), method) == audit_methods().end())
      tree.add_problem(fmt::format("[{}] {}", tree.origin("audit.methods"),
                                   unknown_name("audit method", method, audit_methods()).what()));
}

void check_ratio(ConfigTree& tree, const ExperimentConfig& config) {
  if (config.ratio.kind == "posterior" && config.train.augment.probability > 0)
    tree.add_problem(fmt::format(
        "[{}] ratio.kind = \"posterior\" goes over the images as they are and knows nothing of "
        "augmented ones: leave train.augment out, or set ratio.kind to trained",
        tree.origin("ratio.kind")));
}

/// What a method is trained under besides, held against the rest of the run.
void settle_training(ConfigTree& tree, const ExperimentConfig& config, MethodConfig& method) {
  if (!objectives::ObjectiveRegistry::instance().contains(method.objective)) return;
  const auto& needs = objectives::ObjectiveRegistry::instance().find(method.objective).make.needs;
  const auto place = std::find(config.objectives.begin(), config.objectives.end(), method.name);
  settle(method.training,
         {.where = fmt::format("[{}] objective.{}", tree.origin("objectives"), method.name),
          .takes_constraints = needs.constraints,
          .earlier = {config.objectives.begin(), place},
          .weight_decay = std::max(config.train.weight_decay, config.train.decoupled_weight_decay),
          .has_words = config.words.is_on(),
          .constraints = config.constraints},
         tree);
}

// So that plans and manifests show what is run.
void settle_loops(ExperimentConfig& config) {
  const at::Device device = config.device.starts_with("cuda") ? at::kCUDA : at::kCPU;
  for (train::LoopConfig* loop : std::initializer_list<train::LoopConfig*>{
           &config.train, &config.ratio.train, &config.classifier.train, &config.guide.train})
    *loop = loop->settled(device);
}

}  // namespace

void ExperimentConfig::fields(FieldVisitor& f) {
  f("title", title, "", "headline of the report");
  f("seed", seed, "", "everything random hangs on it", {0, 9e15});
  f("threads", threads, "count", "workers; 0 = as many as the machine has cores", {0, 4096});
  f("device", device, "", "where networks live: cpu, cuda, cuda:1");
  f.choice(
      "precision", precision, {"auto", "fp32", "fp32-fast", "bf16"},
      "what networks compute in: fp32-fast makes float32 products of fewer multiplications, bf16 "
      "needs instructions for it; auto = fp32-fast");
  f("objectives", objectives, "", "methods trained side by side (equipoise list objectives)");
  f.group("data", data, "which images");
  f.group("model", model, "the denoiser");
  f.group("train", train, "its training");
  f.group("ratio", ratio, "density ratios");
  f.group("label_model", label_model, "what is known of wrong labels");
  f.group("classifier", classifier, "the group classifier");
  f.group("sample", sample, "samples drawn from every model");
  f.group("guide", guide, "discriminators that guide sampling, for variants that ask for one");
  f.group("words", words, "words a model is told in place of classes");
  f.group("constraints", constraints,
          "losses that are to stay small, one table [constraints.NAME] each");
  f.group("audit", audit, "questions put to conditional models");
}

int64_t ExperimentConfig::num_workers() const {
  return threads > 0 ? threads : num_cores();
}

objectives::LabelNeed ExperimentConfig::label_need() const {
  objectives::LabelNeed need = objectives::LabelNeed::kNone;
  for (const MethodConfig& method : methods) need = std::max(need, need_of(method));
  return need;
}

nlohmann::ordered_json ExperimentConfig::to_json() const {
  nlohmann::ordered_json json = equipoise::to_json(*this);
  json["model"]["network"] = network;
  json["ratio"]["network"] = ratio_network;
  json["label_model"]["network"] = label_network;
  json["classifier"]["network"] = classifier_network;
  json["sampler"] = sampler;
  json["guide"]["network"] = guide.network;
  if (!words.of.empty()) json["words"]["of"] = words.of;
  for (const MethodConfig& method : methods) {
    nlohmann::ordered_json options = method.options;
    options.update(pipeline::to_json(method.training));
    if (method.objective != method.name) options["method"] = method.objective;
    if (!options.empty()) json["objective"][method.name] = options;
  }
  for (const ConstraintConfig& constraint : constraints.entries)
    json["constraints"][constraint.name] = pipeline::to_json(constraint);
  for (const VariantConfig& variant : variants) {
    nlohmann::ordered_json entry{{"of", variant.of}};
    entry.update(variant.method.to_text());
    json["variant"][variant.name] = entry;
  }
  return json;
}

ExperimentConfig resolve_config(ConfigTree& tree) {
  ExperimentConfig config;
  tree.read("", config);
  config.network = typed_table(tree, "model.network", {{"type", kDefaultNetwork}});
  config.ratio_network = typed_table(tree, "ratio.network", {{"type", "CNN"}});
  config.label_network = typed_table(tree, "label_model.network", {{"type", "CNN"}});
  config.classifier_network = typed_table(tree, "classifier.network", {{"type", "CNN"}});
  config.sampler = typed_table(tree, "sampler", {{"type", "heun"}});
  for (const std::string& name : config.objectives)
    config.methods.push_back(read_method(tree, name));
  if (config.objectives.empty())
    tree.add_problem("'objectives' is empty: name at least one (equipoise list objectives)");
  for (const std::string& name : tree.keys("objective"))
    if (std::find(config.objectives.begin(), config.objectives.end(), name) ==
        config.objectives.end())
      tree.accept_all_below("objective." + name);  // options of a method that this run leaves out
  if (config.data.path.empty())
    tree.add_problem("'data.path' is not given: name a data set (equipoise list datasets)");
  read_constraints(tree, config.constraints);
  for (MethodConfig& method : config.methods) settle_training(tree, config, method);
  settle_loops(config);
  check_labels(tree, config);
  check_ratio(tree, config);
  read_words(tree, config.words);
  check_audit(tree, config);
  if (config.words.is_on() && config.sample.preview > 0)
    tree.add_problem("sample.preview knows nothing of words: leave it out");
  if (config.sample.preview > 0 && config.sample.preview < kMinPreview)
    tree.add_problem(fmt::format("sample.preview wants {} images or more, or 0", kMinPreview));
  if (config.words.is_on() && config.model.conditional)
    tree.add_problem("words stand in the place of classes: leave model.conditional out");
  config.guide.network = typed_table(tree, "guide.network", {{"type", "CNN"}});
  for (const std::string& name : tree.keys("variant"))
    config.variants.push_back(read_variant(tree, name, config));
  try {
    samplers::SamplerRegistry::instance()
        .find(config.sampler["type"])
        .make.make(options_of(config.sampler));
  } catch (const UsageError& error) {
    tree.add_problem(std::string("[sampler] ") + error.what());
  }
  tree.finish();
  return config;
}

}  // namespace equipoise::pipeline
