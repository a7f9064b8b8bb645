// Everything a run is told, as one tree: [data] [model] [train] [ratio] [classifier] [sampler]
// [sample] [words] [audit] [objective.NAME].
#pragma once

#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/config.h"
#include "data/augment.h"
#include "data/data_config.h"
#include "diffusion/noise_law.h"
#include "objectives/objective.h"
#include "pipeline/guide.h"
#include "pipeline/method_config.h"
#include "pipeline/sampling_method.h"
#include "pipeline/words.h"
#include "reweight/ratio_training.h"
#include "train/loop.h"

namespace equipoise::pipeline {

/// Stands for the network that suits the data's shape (nets/default_network.h).
inline constexpr const char* kDefaultNetwork = "default";

/// The denoiser. [model.network] holds the network's type and options.
struct ModelSection {
  std::string preconditioning = "edm";
  double sigma_data = 0.5;
  bool conditional = false;

  void fields(FieldVisitor& f) {
    f.choice("preconditioning", preconditioning,
             {"edm", "vp", "ve", "iddpm", "ddpm_linear_1000", "ddpm_cosine_1000"},
             "scalings around the network; train with edm");
    f("sigma_data", sigma_data, "", "standard deviation of the data in [-1, 1]", {1e-6, 1e6});
    f("conditional", conditional, "", "give the network the class label");
  }
};

struct TrainSection : train::LoopConfig {
  diffusion::NoiseLaw noise;
  data::AugmentConfig augment;
  double label_dropout = 0;
  bool direction_statistics = false;
  int64_t direction_minibatches = 50;
  bool direction_groups = false;
  bool direction_levels = false;

  void fields(FieldVisitor& f) {
    LoopConfig::fields(f);
    f("label_dropout", label_dropout, "",
      "share of images a conditional model sees without their class, for classifier-free guidance",
      {0, 1});
    f("direction_statistics", direction_statistics, "",
      "at every tick, say how much the gradients of mini-batches have in common (stats.jsonl)");
    f("direction_minibatches", direction_minibatches, "count",
      "gradients that takes, each of batch_size images", {2, 1e6});
    f("direction_groups", direction_groups, "", "the same for every group on its own images");
    f("direction_levels", direction_levels, "",
      "the same at five noise levels: the deciles 1, 3, 5, 7 and 9 of the training noise");
    f.group("noise", noise, "training noise levels");
    f.group("augment", augment, "geometric augmentation with labels");
  }
};

/// The discriminators. [ratio.network] holds their type and options; the time-independent one
/// shares everything but `time_law`.
struct RatioSection {
  std::string kind = "trained";
  double posterior_above = 0;
  int64_t posterior_images = 10'000;
  double validation = 0.2;
  std::string labels = "hard";
  std::string time_law = "log_uniform_sigma";
  std::string time_map = "linear";
  std::string extractor = "";
  data::AugmentConfig augment;
  train::LoopConfig train{.images = 60'000,
                          .batch_size = 64,
                          .learning_rate = 3e-4,
                          .ramp_images = 0,
                          .cool_down = false,
                          .weight_decay = 1e-7,
                          .ema = {.half_life_kimg = 1},
                          .tick_images = 4'000,
                          .snapshot = "best"};

  void fields(FieldVisitor& f) {
    f.choice("kind", kind, {"trained", "posterior", "exact"},
             "trained discriminators; at noise levels from posterior_above on the mean of the "
             "time-independent one over the images that a noised one may have come from; or the "
             "closed form of a toy law");
    f("posterior_above", posterior_above, "sigma",
      "noise level from which kind = \"posterior\" takes that mean; below, the time-dependent "
      "discriminator serves, which 0 does without",
      {0, 1e4});
    f("posterior_images", posterior_images, "images",
      "training images that it goes over, all reference ones among them", {2, 1e7});
    f("validation", validation, "",
      "share of both sets kept from discriminator training, to choose its snapshot", {0.01, 0.9});
    f.choice(
        "labels", labels, {"hard", "soft"},
        "what the time-dependent discriminator learns from: the set an image came from, or the "
        "probability that the time-independent one gives it");
    f.choice("time_law", time_law, {"log_uniform_sigma", "uniform_time", "denoiser"},
             "how training draws noise levels; denoiser = as [train.noise] does");
    f.choice("time_map", time_map, {"linear", "cosine"},
             "time value shown to the network at a noise level");
    f("extractor", extractor, "",
      "safetensors file of a pretrained encoder for network type ADM; empty = none");
    f.group("augment", augment,
            "geometric augmentation of both sets; small changes keep a small reference from being "
            "learnt by heart");
    f.group("train", train, "the discriminators' training loop");
  }
};

/// What is learnt of wrong labels, for objectives that ask. [label_model.network] holds type and
/// options of the classifier of noisy images.
struct LabelModelSection {
  std::string transition = "known";
  std::string transition_file;
  int64_t anchors = 50;
  double anchor_sigma = 0.2;
  double volume_weight = 1e-3;
  double validation = 0.1;
  std::string time_law = "denoiser";
  std::string time_map = "linear";
  train::LoopConfig train{.images = 100'000,
                          .batch_size = 64,
                          .learning_rate = 1e-3,
                          .ramp_images = 2'000,
                          .ema = {.half_life_kimg = 5},
                          .tick_images = 10'000,
                          .snapshot = "best"};

  void fields(FieldVisitor& f) {
    f.choice("transition", transition, {"known", "file", "learned", "anchors"},
             "how labels go wrong: as data.label_noise says, as a file says, learnt with the "
             "classifier, or read off a classifier of the labels as they are");
    f("transition_file", transition_file, "",
      "file: CSV, a header of class names, a row a true class");
    f("anchors", anchors, "images", "anchors: images a row of the matrix is averaged over",
      {1, 1e6});
    f("anchor_sigma", anchor_sigma, "",
      "noise level at which anchors are looked for and labels corrected", {0, 1e3});
    f("volume_weight", volume_weight, "", "learned: how much the matrix's volume counts", {0, 1});
    f("validation", validation, "",
      "share of the training images kept from the classifier, to choose its snapshot and judge it",
      {0.01, 0.9});
    f.choice("time_law", time_law, {"denoiser", "log_uniform_sigma", "uniform_time"},
             "how training draws noise levels; denoiser = as [train.noise] does");
    f.choice("time_map", time_map, {"linear", "cosine"},
             "time value shown to the network at a noise level");
    f.group("train", train, "the classifier's training loop");
  }
};

/// The group classifier. [classifier.network] holds its type and options.
struct ClassifierSection {
  double test_share = 0.5;
  bool on_samples = false;
  train::LoopConfig train{.images = 60'000,
                          .batch_size = 64,
                          .learning_rate = 2e-3,
                          .ramp_images = 2'000,
                          .weight_decay = 1e-5,
                          .ema = {.half_life_kimg = 5},
                          .tick_images = 10'000};

  void fields(FieldVisitor& f) {
    f("test_share", test_share, "",
      "without data.evaluation: share of the held-out images that measure, not train",
      {0.05, 0.95});
    f("on_samples", on_samples, "",
      "train one more on each conditional method's samples, to measure it on real images (CAS)");
    f.group("train", train, "the classifier's training loop");
  }
};

struct SampleSection {
  int64_t num = 1'000;
  int64_t seed_first = 0;
  int64_t batch_size = 64;
  int64_t preview = 0;

  void fields(FieldVisitor& f) {
    f("num", num, "images", "samples drawn from every model, all from the same latents", {1, 1e9});
    f("seed_first", seed_first, "", "samples have seeds seed_first, seed_first + 1, …", {0, 1e15});
    f("batch_size", batch_size, "images", "images a worker carries at once; changes no result",
      {1, 65536});
    f("preview", preview, "images",
      "drawn at every tick of a denoiser's training, to watch it: a grid, quick shares and "
      "distances; 0 = none",
      {0, 1e6});
  }
};

/// One entry of `objectives`: a registered method with its options.
struct MethodConfig {
  std::string name;       ///< what files and results are called
  std::string objective;  ///< registered objective
  nlohmann::json options = nlohmann::json::object();
  MethodTraining training = {};
};

/// One more way to sample a trained method's model: [variant.NAME].
struct VariantConfig {
  std::string name;  ///< what files and results are called
  std::string of;    ///< one of `objectives`
  SamplingMethod method;
};

/// The discriminators that guide models of this run. [guide.network] holds their type and options.
struct GuideSection : GuideConfig {
  std::string real = "reference";

  void fields(FieldVisitor& f) {
    f.choice("real", real, {"reference", "biased"},
             "what a model's samples are judged against: the reference set, against bias; the "
             "biased set, for quality alone");
    GuideConfig::fields(f);
  }
};

/// Questions put to every conditional model of the run (pipeline/audit_model.h).
struct AuditSection {
  std::vector<std::string> methods;
  std::string attribute;
  int64_t num = 250;
  std::vector<int64_t> steps = {5, 20, 100, 300, 600};
  int64_t draws = 1;
  int64_t elbo_draws = 0;
  double distance_power = 2;

  void fields(FieldVisitor& f) {
    f("methods", methods, "", "which (equipoise audit --help); none = no audit");
    f("attribute", attribute, "",
      "whose values models are asked for; empty = the first of data.split.attributes");
    f("num", num, "images", "evaluation images that models are shown", {1, 1e7});
    f("steps", steps, "", "noise levels, as steps", {0, 999});
    f("draws", draws, "count", "draws of noise an image and step", {1, 1e5});
    f("elbo_draws", elbo_draws, "count",
      "elbo: draws of step and noise an image; 0 = as many forward passes as score_decomposition "
      "takes",
      {0, 1e5});
    f("distance_power", distance_power, "", "p of score_decomposition_distance, -|s_0 - s_k|_p",
      {1, 100});
  }
};

struct ExperimentConfig {
  std::string title = "Equipoise run";
  int64_t seed = 0;
  int64_t threads = 0;
  std::string device = "cpu";
  std::string precision = "auto";
  std::vector<std::string> objectives{"dsm_ref", "dsm_obs", "iw_dsm", "tiw_dsm"};
  data::DataConfig data;
  ModelSection model;
  TrainSection train;
  RatioSection ratio;
  LabelModelSection label_model;
  ClassifierSection classifier;
  SampleSection sample;
  GuideSection guide;
  WordsSection words;
  ConstraintsSection constraints;
  AuditSection audit;
  /// {"type": …, options}
  nlohmann::json network, ratio_network, label_network, classifier_network, sampler;
  std::vector<MethodConfig> methods;  ///< one an entry of `objectives`
  std::vector<VariantConfig> variants;

  void fields(FieldVisitor& f);
  int64_t num_workers() const;  ///< `threads`, or the machine's cores
  /// The most that any method asks to be told of wrong labels.
  objectives::LabelNeed label_need() const;
  /// The whole tree, a valid input again.
  nlohmann::ordered_json to_json() const;
};

/// Reads and checks a whole config: every problem with file and line in one UsageError; networks,
/// samplers and objectives are looked up and their options read, so that nothing is found wrong
/// only after an hour.
ExperimentConfig resolve_config(ConfigTree& tree);

}  // namespace equipoise::pipeline
