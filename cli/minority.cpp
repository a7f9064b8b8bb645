// equipoise minority: what a model rarely draws, and a classifier that steers towards it.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "command.h"
#include "core/config.h"
#include "core/error.h"
#include "core/parallel.h"
#include "field_flags.h"
#include "pipeline/minority.h"
#include "track/terminal_progress.h"

namespace equipoise::cli {
namespace {

using Json = nlohmann::json;

Action declare_score(CLI::App& command) {
  struct Flags {
    pipeline::MinorityScoreJob job;
    pipeline::LpipsFiles lpips;
    std::filesystem::path classifier;
    int64_t threads = 0;
    std::shared_ptr<Json> config;
  };
  auto flags = std::make_shared<Flags>();
  command.add_option("--model", flags->job.model, "Model that restores the images")
      ->required()
      ->type_name("M.safetensors");
  command.add_option("--images", flags->job.images, "Images to score: the training set")
      ->required()
      ->type_name("DATASET");
  command.add_option("--out", flags->job.out, "Scores, and their recipe beside them as .json")
      ->required()
      ->type_name("SCORES.npz");
  FieldFlags config(command, "Score");
  config.add(guidance::MinorityScoreConfig{});
  flags->config = config.given();
  command
      .add_option("--lpips", flags->lpips.backbone,
                  "Measure by LPIPS with this backbone (vgg, alex, squeeze) instead of the squared "
                  "error of pixels; needs both files")
      ->type_name("NAME")
      ->group("Distance");
  CLI::Option* weights =
      command
          .add_option("--lpips-weights", flags->lpips.backbone_weights, "The backbone's weights")
          ->type_name("FILE.safetensors")
          ->group("Distance");
  CLI::Option* heads =
      command.add_option("--lpips-heads", flags->lpips.heads, "The linear heads' weights")
          ->type_name("FILE.safetensors")
          ->needs(weights)
          ->group("Distance");
  weights->needs(heads);
  command
      .add_option("--classifier", flags->classifier,
                  "Measure in the features of this classifier instead: images that a model takes "
                  "for something else score high")
      ->type_name("C.safetensors")
      ->group("Distance");
  command.add_option("--seed", flags->job.seed, "Seed of the noise")
      ->capture_default_str()
      ->type_name("N");
  command.add_option("--threads", flags->threads, "Workers; 0 = one a core")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber)
      ->type_name("N");
  return [flags] {
    pipeline::MinorityScoreJob job = flags->job;
    from_json(*flags->config, job.config, "equipoise minority score");
    if (!flags->lpips.heads.empty()) job.lpips = flags->lpips;
    if (!flags->classifier.empty()) job.classifier = flags->classifier;
    job.num_workers = flags->threads > 0 ? flags->threads : num_cores();
    track::TerminalProgress progress(stderr);
    const Json recipe = pipeline::score_minority(job, progress);
    fmt::print("{} scores ({}, sigma {}): {}\n", recipe.at("num").get<int64_t>(),
               recipe.at("distance").at("name").get<std::string>(),
               recipe.at("sigma").get<double>(), job.out.string());
    return 0;
  };
}

Action declare_label(CLI::App& command) {
  struct Flags {
    std::filesystem::path scores, out;
    int64_t bins = 10;
  };
  auto flags = std::make_shared<Flags>();
  command.add_option("--scores", flags->scores, "What 'minority score' wrote")
      ->required()
      ->type_name("SCORES.npz");
  command.add_option("--bins", flags->bins, "How many bins of equal size")
      ->capture_default_str()
      ->type_name("N");
  command.add_option("--out", flags->out, "Bin of every image, 0 = most typical")
      ->required()
      ->type_name("BINS.npz");
  return [flags] {
    const Json recipe = pipeline::label_minority(flags->scores, flags->bins, flags->out);
    const auto sizes = recipe.at("sizes").get<std::vector<int64_t>>();
    const auto [least, most] = std::minmax_element(sizes.begin(), sizes.end());
    fmt::print("{} bins of {} to {} images: {}\n", sizes.size(), *least, *most,
               flags->out.string());
    return 0;
  };
}

pipeline::MinorityTrainConfig resolved(const std::vector<std::string>& assignments) {
  ConfigTree tree;
  for (const std::string& assignment : assignments) tree.add_assignment(assignment);
  pipeline::MinorityTrainConfig config;
  tree.read("", config);
  if (tree.has("network")) config.network.update(tree.value("network"));
  tree.accept_all_below("network");
  tree.finish();
  return config;
}

Action declare_minority_train(CLI::App& command) {
  struct Flags {
    pipeline::MinorityTrainJob job;
    std::vector<std::string> assignments;
  };
  auto flags = std::make_shared<Flags>();
  command.add_option("--images", flags->job.images, "The images that were scored")
      ->required()
      ->type_name("DATASET");
  command.add_option("--bins", flags->job.bins, "What 'minority label' wrote")
      ->required()
      ->type_name("BINS.npz");
  command
      .add_option("--out", flags->job.out,
                  "Classifier to write; 'sample --guidance minority' looks for "
                  "M.minority.safetensors beside model M")
      ->required()
      ->type_name("M.minority.safetensors");
  command
      .add_option("--set", flags->assignments,
                  "Option of the training, e.g. train.images=400000, network.channels=[64,128]")
      ->type_name("key=value");
  command.add_option("--seed", flags->job.seed, "Everything random hangs on it")
      ->capture_default_str()
      ->type_name("N");
  command.add_flag("--resume", flags->job.resume, "Go on where training was interrupted");
  command.add_option("--device", flags->job.device, "cpu, cuda, cuda:1")
      ->capture_default_str()
      ->type_name("NAME");
  const pipeline::MinorityTrainConfig defaults;
  command.footer("Options for --set:\n" + help_text(defaults));
  return [flags] {
    pipeline::MinorityTrainJob job = flags->job;
    job.config = resolved(flags->assignments);
    track::TerminalProgress progress(stderr);
    const Json made = pipeline::train_minority(job, progress);
    fmt::print("held-out cross-entropy {:.4f}\n", made.at("heldout_loss").get<double>());
    for (const Json& level : made.at("accuracy"))
      fmt::print("  sigma {:<4} right bin for {:.1f} % of held-out images\n",
                 level.at("sigma").get<double>(), 100 * level.at("accuracy").get<double>());
    fmt::print("{}\n", job.out.string());
    return 0;
  };
}

}  // namespace

Action declare_minority(CLI::App& command) {
  return add_commands(
      command,
      {{"score", "How badly a model restores each image: how untypical it is", declare_score},
       {"label", "Cut scores into bins of equal size", declare_label},
       {"train", "Train the classifier of bins that guides sampling", declare_minority_train}});
}

}  // namespace equipoise::cli
