// Audits of untrained models on the points of a toy law: what is asked and of which images, not what
// is answered.
#include "pipeline/audit_model.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/libtorch.h"
#include "core/random.h"
#include "diffusion/model_file.h"
#include "io/npy.h"
#include "io/scratch_folder.h"
#include "pipeline/words.h"

namespace equipoise::pipeline {
namespace {

using testing::HasSubstr;
using Json = nlohmann::ordered_json;

const std::vector<std::string> kGroups{"lower-left", "upper-right"};
const std::vector<std::string> kVocabulary{"low", "high", "dot", "spot"};
constexpr int64_t kDot = 2;

/// Writes a denoiser of points in the plane. Its weights are drawn: those that networks start with
/// give all prompts one answer.
void write_model(const std::filesystem::path& path, int64_t label_dim,
                 const nlohmann::json& extra) {
  const diffusion::ModelConfig config{
      .shape = {.resolution = 0, .channels = 2, .label_dim = label_dim},
      .network = {{"type", "MLP"}, {"hidden", 16}, {"layers", 2}},
      .extra = extra};
  const auto denoiser = diffusion::make_denoiser(config, 1);
  const torch::NoGradGuard no_grad;
  int64_t number = 0;
  for (at::Tensor& parameter : denoiser->parameters()) {
    parameter.copy_(
        random_normal(1, Purpose::kInit, at::arange(number, number + 1), parameter.sizes())[0]);
    parameter.div_(4);
    ++number;
  }
  diffusion::save_model(path, *denoiser, config);
}

struct AuditModel : testing::Test {
  io::ScratchFolder scratch;
  Progress silent;
  AuditJob job{
      .model = scratch / "words.safetensors",
      .images = "toy:two-gaussians?num=40",
      .steps = {50, 300, 600},
      .num_workers = 1,
  };

  void SetUp() override {
    const data::WordsByValue of{{"lower-left", {"low", "dot", "spot"}},
                                {"upper-right", {"high", "dot", "spot"}}};
    const data::WordTable table = data::make_orthogonal_table(kVocabulary, 6);
    write_model(
        job.model, 6,
        {{"words",
          model_words_json(table, data::make_word_schedule(kGroups, of, kVocabulary), kGroups)}});
  }
  Json ask(const std::string& method) {
    job.methods = {method};
    return audit_model(job, silent);
  }
  std::string problem_of(const std::string& method) {
    try {
      ask(method);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  }
  void become_model_of_classes() {
    job.model = scratch / "classes.safetensors";
    write_model(job.model, 2, {{"imported_from", "elsewhere.safetensors"}});
  }
  /// A file of samples with these labels, the points those of the first stream.
  std::string write_samples(const std::string& name, const at::Tensor& labels) const {
    const std::string path = scratch / name;
    io::write_npz(path,
                  {{"arr_0", random_normal(7, Purpose::kNoise, at::arange(labels.numel()), {2})},
                   {"arr_1", labels}});
    return path;
  }
};

std::vector<std::string> recipes_of(const Json& method) {
  std::vector<std::string> recipes;
  for (const Json& number : method.at("numbers"))
    recipes.push_back(number.at("name").get<std::string>() + ": " +
                      number.at("recipe").get<std::string>());
  return recipes;
}

TEST_F(AuditModel, JudgesAWordByItsSamplesWhateverTheirLabels) {
  // As `sample --class dot` writes them: one label for all, and none of the words before.
  job.generated["dot"] = write_samples("dot.npz", at::full({30}, kDot, at::kLong));
  const Json bias = ask("embedding_bias").at("methods").at("embedding_bias");
  ASSERT_EQ(bias.at("words").size(), 2u);
  EXPECT_EQ(bias.at("words")[0].at("word"), "dot");
  EXPECT_EQ(bias.at("words")[0].at("judged_on"), "images made for the word");
  EXPECT_EQ(bias.at("words")[0].at("num_images"), 30);
  EXPECT_EQ(bias.at("words")[1].at("judged_on"), "the audited images");
  EXPECT_EQ(bias.at("words")[1].at("num_images"), 40);
  EXPECT_THAT(recipes_of(bias),
              testing::IsSupersetOf(
                  {testing::AllOf(HasSubstr("share of 'low' for 'dot'"), HasSubstr("; 30 images"),
                                  HasSubstr("of images made for the word")),
                   testing::AllOf(HasSubstr("share of 'low' for 'spot'"), HasSubstr("; 40 images"),
                                  HasSubstr("of the audited images"))}));
}

TEST_F(AuditModel, RefusesSamplesOfWordsItDoesNotJudge) {
  job.generated["dott"] = write_samples("dot.npz", at::full({30}, kDot, at::kLong));
  EXPECT_EQ(problem_of("embedding_bias"),
            "[word to judge by its samples] unknown word to judge by its samples 'dott': expected "
            "one of: dot, spot. Did you mean 'dot'?");
  become_model_of_classes();
  job.prompts = {"0", "1"};
  EXPECT_THAT(problem_of("elbo"), HasSubstr("told of classes has no words"));
}

TEST_F(AuditModel, TellsSamplesOfSeveralWordsApartByTheirNumbers) {
  const at::Tensor labels = at::cat({at::full({10}, kDot, at::kLong), at::zeros({5}, at::kLong)});
  job.samples = write_samples("run.npz", labels);
  const Json found = ask("embedding_bias").at("methods").at("embedding_bias").at("words");
  job.generated["dot"] = write_samples("dot.npz", labels.slice(0, 0, 10));
  job.samples = "";
  const Json expected = ask("embedding_bias").at("methods").at("embedding_bias").at("words");
  ASSERT_EQ(found.size(), 1u) << "'spot' has no samples, 'low' is a class prompt";
  EXPECT_EQ(found[0], expected[0]);
  EXPECT_NE(found[0].at("balance"), expected[1].at("balance"));

  job.generated.clear();
  job.samples = write_samples("low.npz", at::zeros({5}, at::kLong));
  EXPECT_EQ(ask("embedding_bias").at("not_run")[0].at("missing"), "samples of a third word");
}

TEST_F(AuditModel, ClassesWithoutNamesAreNumbers) {
  become_model_of_classes();
  EXPECT_EQ(problem_of("elbo"),
            "[class of the model] unknown class of the model 'lower-left': expected one of: 0, 1.");
  job.prompts = {"1", "0"};
  const Json audit = ask("elbo");
  EXPECT_EQ(audit.at("prompts")[0], Json({{"value", "lower-left"}, {"prompt", "1"}}));
  EXPECT_FALSE(audit.at("methods").at("elbo").at("numbers").empty());
}

TEST_F(AuditModel, RefusesANeutralPromptThatIsAClassPrompt) {
  const std::string expected =
      "[--neutral] the model cannot tell the neutral prompt from a class "
      "prompt: got {}, expected prompts whose vectors differ.";
  job.neutral = "low";
  EXPECT_EQ(problem_of("score_decomposition"), fmt::format(fmt::runtime(expected), "low, low"));
  // The word that all groups share is the neutral prompt of its own accord.
  job.neutral = "";
  job.prompts = {"dot", "high"};
  EXPECT_EQ(problem_of("score_decomposition"), fmt::format(fmt::runtime(expected), "dot, dot"));
}

TEST_F(AuditModel, TheElboTakesAsManyForwardPassesAsTheDecomposition) {
  const Json decomposition = ask("score_decomposition").at("methods").at("score_decomposition");
  EXPECT_EQ(decomposition.at("forward_passes"), (2 + 1) * 3);
  EXPECT_THAT(recipes_of(decomposition), testing::Each(HasSubstr("9 forward passes an image")));
  const Json elbo = ask("elbo").at("methods").at("elbo");
  EXPECT_EQ(elbo.at("forward_passes"), 10) << "the least even number that is no smaller";
  EXPECT_THAT(recipes_of(elbo), testing::Each(HasSubstr("5 draws")));
  EXPECT_THAT(recipes_of(elbo), testing::Each(HasSubstr("10 forward passes an image")));
  job.elbo_draws = 3;
  EXPECT_EQ(ask("elbo").at("methods").at("elbo").at("forward_passes"), 6);
  job.elbo_draws = 1;
  EXPECT_THAT(problem_of("elbo"), HasSubstr("got 1, expected 2 at least, or 0"));
}

TEST_F(AuditModel, LipschitzLooksAtAllWords) {
  const Json lipschitz = ask("lipschitz").at("methods").at("lipschitz");
  for (const char* pair : {"'low' and 'high'", "'low' and 'dot'", "'dot' and 'spot'"})
    EXPECT_THAT(recipes_of(lipschitz),
                testing::Contains(HasSubstr(std::string("path KL of ") + pair)));
  // Four words at three steps: one draw, and three passes in each of eight iterations.
  EXPECT_EQ(lipschitz.at("forward_passes"), 4 * 3 * (1 + 3 * 8));
}

}  // namespace
}  // namespace equipoise::pipeline
