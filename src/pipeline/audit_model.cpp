#include "pipeline/audit_model.h"

#include <algorithm>
#include <functional>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "audit/elbo_classifier.h"
#include "audit/embedding_bias.h"
#include "audit/lipschitz.h"
#include "audit/prompt_classification.h"
#include "audit/score_decomposition.h"
#include "audit/score_similarity.h"
#include "core/error.h"
#include "core/libtorch.h"
#include "core/random.h"
#include "core/spelling.h"
#include "data/dataset_reader.h"
#include "diffusion/model_file.h"
#include "io/hash.h"
#include "pipeline/audit_prompts.h"
#include "pipeline/stages.h"
#include "pipeline/words.h"

namespace equipoise::pipeline {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kChoiceStream = 5;
/// One audit: the model, the images, the prompts, and what is done with them.
class ModelAudit {
 public:
  explicit ModelAudit(const AuditJob& job) : job_(job), loaded_(diffusion::load_model(job.model)) {
    loaded_.denoiser->to(at::Device(job.device));
    words_ = words_of_model(loaded_.config, job.model.string());
    const data::ImageSet set =
        data::load_images(job.images, {.require_labels = job.attribute == "class"});
    check_images(set);
    const data::Attribute attribute = set.attribute(job.attribute);
    values_ = attribute.values;
    const at::Tensor all = job.rows.defined() ? job.rows : at::arange(set.size(), at::kLong);
    const at::Tensor rows = all.index_select(
        0, random_permutation(RandomStream(job.seed, Purpose::kSplit, kChoiceStream), all.numel())
               .slice(0, 0, std::min(job.num_images, all.numel())));
    images_ = set.normalised(rows);
    labels_ = attribute.codes.index_select(0, rows);
    images_sha256_ = set.sha256;
    prompts_ = make_prompts(job, loaded_.config, words_, values_);
    load_generated();
  }

  Json run(Progress& progress) {
    Json json{{"model", job_.model.filename().string()},
              {"model_sha256", io::sha256_of_file(job_.model)},
              {"images", job_.images},
              {"images_sha256", images_sha256_},
              {"num_images", images_.size(0)},
              {"attribute", job_.attribute},
              {"seed", job_.seed},
              {"prompts", Json::array()},
              {"neutral", prompts_.neutral.name},
              {"methods", Json::object()},
              {"not_run", Json::array()}};
    if (words_) json["words"] = words_->table.source;
    for (size_t v = 0; v < values_.size(); ++v)
      json["prompts"].push_back({{"value", values_[v]}, {"prompt", prompts_.classes[v].name}});
    const std::vector<std::string>& methods = job_.methods.empty() ? audit_methods() : job_.methods;
    progress.begin("audit", static_cast<int64_t>(methods.size()), "methods");
    for (const std::string& method : methods) {
      if (progress.stop_requested()) throw Interrupted{};
      const std::string missing = missing_for(method);
      if (missing.empty()) {
        json["methods"][method] = run_method(method);
        json["methods"][method]["forward_passes"] = passes_of(method);
      } else {
        json["not_run"].push_back({{"method", method}, {"missing", missing}});
      }
      progress.update(static_cast<int64_t>(json["methods"].size() + json["not_run"].size()),
                      method);
    }
    progress.end();
    return json;
  }

 private:
  void check_images(const data::ImageSet& set) const {
    nets::DataShape data{.resolution = set.is_vectors() ? 0 : set.images.size(2),
                         .channels = set.images.size(1),
                         .label_dim = loaded_.config.shape.label_dim};
    diffusion::check_fits(loaded_.config.shape, data, job_.images);
    if (loaded_.config.shape.label_dim == 0)
      throw UsageError({.where = job_.model.string(),
                        .what = "this model is unconditional: it has no prompts to audit",
                        .got = "",
                        .expected = "a model told of words or classes",
                        .hint = ""});
  }

  /// Images that were made for words. They need not be of all words.
  data::ImageSet load_samples(const std::string& spec, bool require_labels) const {
    data::ImageSet made =
        data::load_images(spec, {.require_labels = require_labels, .allow_empty_classes = true});
    check_images(made);
    return made;
  }

  void load_generated() {
    std::vector<std::string> known;
    for (const audit::Prompt& word : prompts_.others) known.push_back(word.name);
    for (const auto& [word, spec] : job_.generated) {
      if (!words_)
        throw UsageError({.where = "--generated",
                          .what = "a model told of classes has no words to judge by their samples",
                          .got = word,
                          .expected = "",
                          .hint = "Leave it out"});
      if (std::ranges::count(known, word) == 0)
        throw unknown_name("word to judge by its samples", word, known);
      const data::ImageSet made = load_samples(spec, /*require_labels=*/false);
      made_for_[word] = made.normalised(at::arange(made.size()));
    }
    if (job_.samples.empty() || !words_) return;
    const data::ImageSet made = load_samples(job_.samples, /*require_labels=*/true);
    for (size_t number = 0; number < words_->table.words.size(); ++number) {
      const at::Tensor rows = made.labels.eq(static_cast<int64_t>(number)).nonzero().flatten();
      if (rows.numel() > 0)
        made_for_.try_emplace(words_->table.words[number], made.normalised(rows));
    }
  }

  /// Words that embedding_bias judges.
  std::vector<audit::Prompt> judged_words() const {
    if (job_.samples.empty()) return prompts_.others;
    std::vector<audit::Prompt> words;
    for (const audit::Prompt& word : prompts_.others)
      if (made_for_.contains(word.name)) words.push_back(word);
    return words;
  }

  /// Whose distances lipschitz looks at: all that have a vector.
  std::vector<audit::Prompt> all_prompts() const {
    std::vector<audit::Prompt> all = prompts_.classes;
    all.insert(all.end(), prompts_.others.begin(), prompts_.others.end());
    return all;
  }

  template <class Options>
  Options options() const {
    Options options;
    options.steps = job_.steps;
    options.num_draws = job_.num_draws;
    options.seed = job_.seed;
    options.num_workers = job_.num_workers;
    options.device = at::Device(job_.device);
    return options;
  }
  audit::ElboOptions elbo_options() const {
    auto settings = options<audit::ElboOptions>();
    const size_t num_classes = prompts_.classes.size();
    settings.num_times = job_.elbo_draws > 0
                             ? job_.elbo_draws
                             : audit::elbo_draws_for(
                                   audit::decomposition_passes(num_classes, settings), num_classes);
    return settings;
  }
  /// Of a score decomposition of `num_images` into so many classes.
  std::string recipe(int64_t num_images, size_t num_classes) const {
    const auto settings = options<audit::ProbeOptions>();
    return audit::probe_recipe(num_images, audit::decomposition_passes(num_classes, settings),
                               settings);
  }

  std::string missing_for(const std::string& method) const {
    if (method == "embedding_bias" && !words_) return "word vectors";
    if (method == "embedding_bias" && judged_words().empty())
      return job_.samples.empty() ? "a third word" : "samples of a third word";
    return "";
  }

  /// Forward passes an image.
  int64_t passes_of(const std::string& method) const {
    const size_t num_classes = prompts_.classes.size();
    if (method == "elbo") return audit::elbo_passes(num_classes, elbo_options());
    if (method == "score_similarity")
      return audit::similarity_passes(num_classes, options<audit::ProbeOptions>());
    if (method == "lipschitz")
      return audit::lipschitz_passes(all_prompts().size(), options<audit::LipschitzOptions>());
    return audit::decomposition_passes(method == "embedding_bias" ? 2 : num_classes,
                                       options<audit::ProbeOptions>());
  }

  Json run_method(const std::string& method) const {
    if (method == "elbo") return elbo();
    if (method == "score_similarity") return similarity();
    if (method == "embedding_bias") return bias();
    if (method == "lipschitz") return lipschitz();
    const std::string prefix = "score_decomposition";
    return decomposition(method == prefix ? "simplex" : method.substr(prefix.size() + 1));
  }

  Json judged(const std::string& method, const std::string& recipe, const at::Tensor& scores,
              bool are_probabilities) const {
    return audit::to_json(audit::judge_classification({.method = method,
                                                       .recipe = recipe,
                                                       .scores = scores,
                                                       .are_probabilities = are_probabilities,
                                                       .labels = labels_,
                                                       .group_names = values_},
                                                      options<audit::ProbeOptions>()));
  }

  Json decomposition(const std::string& rule) const {
    auto settings = options<audit::DecompositionOptions>();
    settings.rule = audit::parse_decomposition_rule(rule);
    settings.power = job_.distance_power;
    const audit::ScoreDecomposition found = audit::decompose_scores(
        *loaded_.denoiser, images_, prompts_.classes, prompts_.neutral, settings);
    const bool has_weights = found.residuals.defined();
    const std::string name = "score decomposition (" + rule + ")";
    std::string recipe = this->recipe(images_.size(0), prompts_.classes.size());
    if (settings.rule == audit::DecompositionRule::kDistance)
      recipe += fmt::format(", p = {:g}", job_.distance_power);
    Json json = judged(name, recipe, found.mean_weights(), has_weights);
    const metrics::BootstrapOptions bootstrap{.seed = job_.seed};
    for (size_t s = 0; s < found.steps.size(); ++s) {
      const auto row = static_cast<int64_t>(s);
      const at::Tensor right = found.weights[row].argmax(1).eq(labels_);
      const std::string at_step = fmt::format(" at t = {}", found.steps[s]);
      std::vector<audit::AuditNumber> numbers{
          {.name = name + ": accuracy" + at_step,
           .interval = metrics::wilson_interval(right.sum().item<int64_t>(), right.numel()),
           .recipe = recipe,
           .not_said = "The step that does best on these images need not do so on others."}};
      if (has_weights) {
        numbers.push_back(
            {.name = name + ": residual" + at_step,
             .interval = metrics::mean_interval(found.residuals[row].contiguous(), bootstrap),
             .recipe = recipe,
             .not_said = "A small residual does not make the weights right: at little noise all "
                         "predictions are nearly the same."});
        for (size_t k = 0; k < values_.size(); ++k)
          numbers.push_back(
              {.name = fmt::format("{}: mean weight of '{}' in '{}'{}", name,
                                   prompts_.classes[k].name, prompts_.neutral.name, at_step),
               .interval = metrics::mean_interval(
                   found.weights[row].select(1, static_cast<int64_t>(k)).contiguous(), bootstrap),
               .recipe = recipe,
               .not_said = "It is the model's view of these images, not of those it would make."});
      }
      for (const Json& number : audit::to_json(numbers)) json["numbers"].push_back(number);
    }
    return json;
  }

  Json elbo() const {
    const audit::ElboOptions settings = elbo_options();
    const audit::ElboClassification found =
        audit::classify_by_elbo(*loaded_.denoiser, images_, prompts_.classes, settings);
    const std::string text = fmt::format(
        "{} draws of t in 1 … 999 and noise an image, {} images, {} forward passes an image",
        settings.num_times, images_.size(0), audit::elbo_passes(prompts_.classes.size(), settings));
    Json json = judged("ELBO classifier", text, found.probabilities(), true);
    const at::Tensor undecided = found.margins() < 2 * found.margin_errors;
    json["numbers"].push_back(audit::to_json(audit::AuditNumber{
        .name = "ELBO classifier: share of images whose best two prompts are within two standard "
                "errors",
        .interval = metrics::wilson_interval(undecided.sum().item<int64_t>(), undecided.numel()),
        .recipe = text,
        .not_said = "More draws lower it; it does not say that the rest are classified rightly."}));
    return json;
  }

  Json similarity() const {
    const auto settings = options<audit::ProbeOptions>();
    const audit::ScoreSimilarity found = audit::compare_scores(
        *loaded_.denoiser, images_, prompts_.classes, prompts_.neutral, settings);
    return {{"numbers", audit::to_json(audit::similarity_numbers(found, prompts_.classes,
                                                                 prompts_.neutral, settings))}};
  }

  /// Weights of the first two class prompts in `word`.
  at::Tensor pair_weights(const audit::Prompt& word, const at::Tensor& images) const {
    return audit::decompose_scores(*loaded_.denoiser, images,
                                   {prompts_.classes[0], prompts_.classes[1]}, word,
                                   options<audit::DecompositionOptions>())
        .mean_weights();
  }

  Json bias() const {
    const audit::Prompt &first = prompts_.classes[0], &second = prompts_.classes[1];
    std::vector<audit::BiasPoint> points;
    Json of_words = Json::array();
    for (const audit::Prompt& word : judged_words()) {
      const auto made = made_for_.find(word.name);
      const at::Tensor& images = made == made_for_.end() ? images_ : made->second;
      const std::string judged_on =
          made == made_for_.end() ? "the audited images" : "images made for the word";
      points.push_back(
          {.word = word.name,
           .embedding = audit::embedding_bias(word.condition, first.condition, second.condition),
           .output = audit::output_bias(pair_weights(word, images), job_.tolerance,
                                        options<audit::ProbeOptions>()),
           .recipe = "score decomposition of " + judged_on + ", " + recipe(images.size(0), 2)});
      of_words.push_back(audit::to_json(points.back()));
      of_words.back()["judged_on"] = judged_on;
      of_words.back()["num_images"] = images.size(0);
    }
    Json json{{"first", first.name},
              {"second", second.name},
              {"tolerance", job_.tolerance},
              {"words", of_words},
              {"numbers", audit::to_json(audit::bias_numbers(points, first.name, second.name))},
              {"fit", nullptr}};
    if (const auto fit = audit::relate(points)) {
      json["fit"] = audit::to_json(*fit);
      json["numbers"].push_back(audit::to_json(audit::AuditNumber{
          .name = "slope of share less one half on embedding bias",
          .interval = fit->slope,
          .recipe = fmt::format("least squares over {} words, R^2 {:.3f}, p {:.3g}",
                                fit->num_points, fit->r_squared, fit->p_value),
          .not_said = "Few words of one projection show no law, and a slope no cause."}));
    }
    return json;
  }

  Json lipschitz() const {
    const auto settings = options<audit::LipschitzOptions>();
    const std::vector<audit::Prompt> all = all_prompts();
    const audit::LipschitzEstimate found =
        audit::estimate_lipschitz(*loaded_.denoiser, images_, all, settings);
    return {{"numbers", audit::to_json(audit::lipschitz_numbers(found, all, settings))}};
  }

  AuditJob job_;
  diffusion::LoadedModel loaded_;
  std::optional<ModelWords> words_;
  std::vector<std::string> values_;
  at::Tensor images_, labels_;
  std::string images_sha256_;
  Prompts prompts_;
  std::map<std::string, at::Tensor> made_for_;  ///< images by the word they were made for
};

void check_job(const AuditJob& job) {
  for (const std::string& method : job.methods)
    if (std::ranges::count(audit_methods(), method) == 0)
      throw unknown_name("audit method", method, audit_methods());
  const bool is_rising = std::adjacent_find(job.steps.begin(), job.steps.end(),
                                            std::greater_equal<>()) == job.steps.end();
  if (job.elbo_draws == 1 || job.elbo_draws < 0)
    throw UsageError({.where = "--elbo-draws",
                      .what = "draws are compared with each other",
                      .got = fmt::format("{}", job.elbo_draws),
                      .expected = "2 at least, or 0",
                      .hint = ""});
  if (job.steps.empty() || !is_rising || job.num_images < 1 || job.num_draws < 1)
    throw UsageError({.where = "audit",
                      .what = "images, draws and steps",
                      .got = fmt::format("{} images, {} draws, steps {}", job.num_images,
                                         job.num_draws, fmt::join(job.steps, ", ")),
                      .expected = "one image and draw at least, rising steps of 0 to 999",
                      .hint = ""});
}

}  // namespace

const std::vector<std::string>& audit_methods() {
  static const std::vector<std::string> names{"score_decomposition",
                                              "score_decomposition_cosine",
                                              "score_decomposition_pca",
                                              "score_decomposition_distance",
                                              "elbo",
                                              "score_similarity",
                                              "embedding_bias",
                                              "lipschitz"};
  return names;
}

Json audit_model(const AuditJob& job, Progress& progress) {
  check_job(job);
  return ModelAudit(job).run(progress);
}

std::string audit_text(const Json& audit) {
  std::string text;
  for (const auto& [method, found] : audit.at("methods").items()) {
    text += fmt::format("{}: {} forward passes an image\n", method,
                        found.at("forward_passes").get<int64_t>());
    for (const Json& number : found.at("numbers"))
      text += fmt::format("  {:<72} {:.4f} ({:.4f} to {:.4f})\n",
                          number.at("name").get<std::string>(), number.at("value").get<double>(),
                          number.at("low").get<double>(), number.at("high").get<double>());
  }
  for (const Json& left_out : audit.at("not_run"))
    text += fmt::format("{}: not run, it needs {}\n", left_out.at("method").get<std::string>(),
                        left_out.at("missing").get<std::string>());
  return text;
}

}  // namespace equipoise::pipeline
