// equipoise sample: images from a model, one seed each.
#include <memory>
#include <numeric>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "command.h"
#include "core/config.h"
#include "core/error.h"
#include "core/named_options.h"
#include "core/parallel.h"
#include "field_flags.h"
#include "nets/precision.h"
#include "pipeline/sample_model.h"
#include "samplers/noise_grid.h"
#include "samplers/rejection.h"
#include "samplers/sampler.h"
#include "seed_list.h"
#include "track/terminal_progress.h"

namespace equipoise::cli {
namespace {

struct Flags {
  pipeline::SampleJob job;
  std::string seeds, sampler = "heun", latents, rejection, precision = "auto";
  std::vector<std::string> guidance;
  bool use_rejection = false;
  int64_t num = 0, threads = 0;
  std::shared_ptr<nlohmann::json> sampler_options;
};

/// "a, b, c" of help lines "a = 1   # …".
std::string option_names(const std::string& help) {
  std::istringstream lines(help);
  std::string names;
  for (std::string line; std::getline(lines, line);)
    names += (names.empty() ? "" : ", ") + line.substr(0, line.find(' '));
  return names;
}

void add_what_to_draw(CLI::App& command, Flags& flags) {
  command.add_option("--model", flags.job.model, "Model file")
      ->required()
      ->type_name("M.safetensors");
  command
      .add_option("--out", flags.job.out,
                  "FILE.npz (arr_0 uint8 NHWC, arr_1 labels), or a folder for PNG files")
      ->required()
      ->type_name("FILE.npz|DIR");
  CLI::Option* num = command.add_option("--num", flags.num, "How many: seeds 0 to NUM - 1")
                         ->check(CLI::PositiveNumber)
                         ->type_name("N");
  command.add_option("--seeds", flags.seeds, "Which seeds, one image each: 0-63 or 0,5,7-9")
      ->type_name("LIST")
      ->excludes(num);
  command
      .add_option("--class", flags.job.classes,
                  "Class of a conditional model: K, K,K,... (repeated) or random")
      ->type_name("K|K,K,...|random");
  command
      .add_option("--latents", flags.latents,
                  "Starting noise instead of seeds' own: standard normal [N,C,H,W] float32")
      ->type_name("L.npy");
  command
      .add_option("--seed-base", flags.job.seed_base, "Another value gives every seed other images")
      ->capture_default_str()
      ->type_name("N");
  command.add_flag("--float", flags.job.as_float,
                   "arr_0 as float32 NCHW in [-1, 1], neither clipped nor rounded");
}

void add_how_to_draw(CLI::App& command, Flags& flags) {
  command
      .add_option("--sampler", flags.sampler,
                  "Solver and its options (equipoise list samplers), e.g. dpmpp_2m:eta=1")
      ->capture_default_str()
      ->type_name("NAME[:key=value,...]")
      ->group("Sampler");
  FieldFlags options(command, "Sampler");
  options.add(samplers::ChurnedGridConfig{});
  flags.sampler_options = options.given();
  command
      .add_option("--guidance", flags.guidance,
                  "Term added to the score (equipoise list guidance), e.g. discriminator:weight=2; "
                  "may be given several times")
      ->type_name("NAME[:key=value,...]")
      ->group("Guidance and rejection");
  command
      .add_option_function<std::string>(
          "--rejection",
          [&flags](const std::string& text) {
            flags.use_rejection = true;
            flags.rejection = text;
          },
          "Test every step with a discriminator (DiffRS), e.g. percentile=0.75,max_calls=105; "
          "keys: model, tables, " +
              option_names(help_text(samplers::RejectionConfig{})))
      ->expected(0, 1)
      ->type_name("[key=value,...]")
      ->group("Guidance and rejection");
  command
      .add_option("--batch", flags.job.batch_size,
                  "Images a worker carries at once; changes no result")
      ->capture_default_str()
      ->check(CLI::PositiveNumber)
      ->type_name("N")
      ->group("Machine");
  command.add_option("--threads", flags.threads, "Workers; 0 = one a core")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber)
      ->type_name("N")
      ->group("Machine");
  command.add_option("--device", flags.job.device, "cpu, cuda, cuda:1")
      ->capture_default_str()
      ->type_name("NAME")
      ->group("Machine");
  command
      .add_option("--precision", flags.precision,
                  "fp32, fp32-fast (float32 products of fewer multiplications), bf16, or auto = "
                  "fp32-fast")
      ->capture_default_str()
      ->type_name("NAME")
      ->group("Machine");
}

std::vector<int64_t> chosen_seeds(const Flags& flags) {
  if (!flags.seeds.empty()) return parse_seeds(flags.seeds);
  if (flags.num == 0)
    throw UsageError({.where = "equipoise sample",
                      .what = "nothing says how many images to draw",
                      .expected = "--num N or --seeds 0-63"});
  std::vector<int64_t> seeds(static_cast<size_t>(flags.num));
  std::iota(seeds.begin(), seeds.end(), 0);
  return seeds;
}

pipeline::SamplingMethod chosen_method(const Flags& flags) {
  const std::optional<std::string> rejection =
      flags.use_rejection ? std::optional(flags.rejection) : std::nullopt;
  pipeline::SamplingMethod method =
      pipeline::parse_sampling_method(flags.sampler, flags.guidance, rejection);
  method.sampler.update(*flags.sampler_options);
  samplers::SamplerRegistry::instance()
      .find(method.sampler.at("type"))
      .make.make(options_of(method.sampler));  // found wrong early
  return method;
}

int sample(const Flags& flags) {
  pipeline::SampleJob job = flags.job;
  job.seeds = chosen_seeds(flags);
  job.method = chosen_method(flags);
  if (!flags.latents.empty()) job.latents = flags.latents;
  job.num_workers = flags.threads > 0 ? flags.threads : num_cores();
  track::TerminalProgress progress(stderr);
  nets::set_precision(nets::parse_precision(flags.precision, at::Device(job.device)));
  const nlohmann::json made = pipeline::sample_model(job, progress);
  fmt::print("{} samples, {:.4g} network calls each, {:.1f} s: {}\n", made.at("num").get<int64_t>(),
             made.at("calls").at("mean").get<double>(), made.at("seconds").get<double>(),
             job.out.string());
  return 0;
}

}  // namespace

Action declare_sample(CLI::App& command) {
  auto flags = std::make_shared<Flags>();
  add_what_to_draw(command, *flags);
  add_how_to_draw(command, *flags);
  command.footer("A seed gives the same image whatever the batch size and the number of threads.");
  return [flags] { return sample(*flags); };
}

}  // namespace equipoise::cli
