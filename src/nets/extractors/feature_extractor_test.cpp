#include "nets/extractors/feature_extractor.h"

#include <memory>
#include <string>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/libtorch.h"
#include "io/hash.h"
#include "io/safetensors.h"
#include "nets/extractors/face_age_gender.h"
#include "nets/extractors/golden_weights.h"

namespace equipoise::nets {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr const char* kFile = "weights.safetensors";
constexpr const char* kSmall = "face_age_gender";

// The spatial features are read from inception_fid's file.
std::string network_of(const std::string& extractor) {
  return extractor == "inception_fid_spatial" ? "inception_fid" : extractor;
}

std::unique_ptr<FeatureExtractor> make(const std::string& name, const NamedTensors& tensors) {
  return make_feature_extractor(name, PublishedWeights(tensors, kFile));
}
std::unique_ptr<FeatureExtractor> make(const std::string& name) {
  return make(name, golden_weights(network_of(name)));
}

void expect_agrees(const at::Tensor& actual, const at::Tensor& expected) {
  ASSERT_EQ(actual.sizes(), expected.sizes());
  EXPECT_LT((actual - expected).norm().item<double>(), 1e-4 * expected.norm().item<double>());
  EXPECT_LT((actual - expected).abs().max().item<double>(),
            1e-4 * expected.abs().max().item<double>());
}

class EveryExtractor : public testing::TestWithParam<std::string> {
 protected:
  std::string network_ = network_of(GetParam());
};

// Full size, weights and outputs of extractors_golden.py, names and shapes of the published files.
TEST_P(EveryExtractor, ComputesWhatTheReferenceComputes) {
  const at::NoGradGuard no_grad;
  const auto extractor = make(GetParam());
  const bool is_spatial = GetParam() != network_;
  const at::Tensor expected = golden(network_ + (is_spatial ? ".spatial" : ".features"));
  const at::Tensor features = extractor->features(golden("images").slice(0, 0, expected.size(0)));
  expect_agrees(features, expected);
  const ExtractorRecipe& recipe = extractor->recipe();
  EXPECT_EQ(recipe.name, GetParam());
  EXPECT_EQ(recipe.num_features, features.size(1));
  EXPECT_EQ(features.scalar_type(), at::kFloat);
  const auto logits = golden_file().tensors.find(network_ + ".logits");
  const bool has_logits = logits != golden_file().tensors.end() && !is_spatial;
  ASSERT_EQ(extractor->has_logits(), has_logits);
  if (has_logits) expect_agrees(extractor->logits_of_features(features), logits->second);
}

TEST_P(EveryExtractor, HasAGradientWithRespectToTheImage) {
  const at::Tensor image =
      (golden("images").slice(0, 0, 1).to(at::kFloat) / 127.5 - 1).requires_grad_(true);
  make(GetParam())->features(image).square().sum().backward();
  EXPECT_TRUE(at::isfinite(image.grad()).all().item<bool>());
  EXPECT_GT(image.grad().abs().max().item<double>(), 0);
}

TEST_P(EveryExtractor, NamesFileAndTensorThatDoNotFit) {
  // What is named AuxLogits is not used.
  const auto shapes = golden_shapes(network_);
  const std::string name = shapes.lower_bound("B")->first;
  NamedTensors tensors = golden_weights(network_);
  const at::Tensor tensor = tensors.at(name);
  const auto error_contains = [&](const std::string& first, const std::string& second) {
    EXPECT_THAT(
        [&] { make(GetParam(), tensors); },
        ThrowsMessage<DataError>(AllOf(HasSubstr(kFile), HasSubstr(first), HasSubstr(second))));
  };
  tensors["surplus.weight"] = at::zeros({2});
  error_contains("surplus.weight", "no such tensor");
  tensors.erase("surplus.weight");
  tensors[name] = at::zeros({7, 5});
  error_contains(name, "[7, 5]");
  tensors[name] = tensor.to(at::kInt);
  error_contains(name, "Int");
  tensors[name] = at::full_like(tensor, std::numeric_limits<float>::quiet_NaN());
  error_contains(name, "not finite");
  tensors.erase(name);
  error_contains(name, "no such tensor");
}

INSTANTIATE_TEST_SUITE_P(Extractors, EveryExtractor,
                         testing::ValuesIn(FeatureExtractorRegistry::instance().names()),
                         [](const auto& info) { return info.param; });

int64_t num_published_values(const std::string& network) {
  int64_t count = 0;
  for (const auto& [name, shape] : golden_shapes(network)) {
    const bool is_learned = name.find(".running_") == std::string::npos &&
                            name.find("num_batches_tracked") == std::string::npos;
    if (is_learned) count += c10::multiply_integers(shape);
  }
  return count;
}

// That the extractors take exactly these tensors is tested above.
TEST(FeatureExtractors, HaveAsManyParametersAsPublished) {
  EXPECT_EQ(num_published_values("inception_torchvision"), 27'161'264);  // torchvision's own count
  // Without the auxiliary classifier, and 1008 classes instead of 1000.
  EXPECT_EQ(num_published_values("inception_fid"), 27'161'264 - 3'326'696 + 8 * 2049);
  EXPECT_EQ(num_published_values("face_descriptor"), 5'614'592);
  EXPECT_EQ(num_published_values("face_age_gender"), 421'731);
  EXPECT_EQ(num_published_values("mobilenet_v2"), 3'487'816);
}

TEST(FeatureExtractor, ReadsBytesFloatsAndGreyAlike) {
  const auto extractor = make(kSmall);
  const at::Tensor bytes = golden("images"), floats = bytes.to(at::kFloat) / 127.5 - 1;
  EXPECT_TRUE(at::allclose(extractor->inputs_of(bytes), extractor->inputs_of(floats), 1e-5, 1e-5));
  const at::Tensor grey = bytes.slice(1, 0, 1);
  EXPECT_TRUE(
      at::equal(extractor->inputs_of(grey), extractor->inputs_of(grey.repeat({1, 3, 1, 1}))));
}

TEST(FeatureExtractor, NormalisesAsItsRecipeSays) {
  const auto extractor = make(kSmall);
  EXPECT_EQ(to_json(extractor->recipe()),
            nlohmann::json({{"name", kSmall},
                            {"layer", "mean over positions of exit_flow.separable_conv"},
                            {"num_features", 512},
                            {"input_size", 112},
                            {"resize", "bilinear_antialias"},
                            {"mean", {122.782, 117.001, 104.298}},
                            {"deviation", {255.0, 255.0, 255.0}},
                            {"weights_sha256", ""}}));
  const at::Tensor white = extractor->inputs_of(at::full({1, 3, 20, 30}, 255, at::kByte));
  EXPECT_EQ(white.sizes(), at::IntArrayRef({1, 3, 112, 112}));
  const at::Tensor expected =
      (255 - at::tensor({122.782f, 117.001f, 104.298f}).view({1, 3, 1, 1})) / 255;
  EXPECT_TRUE(at::allclose(white, expected.expand_as(white), 1e-5, 1e-6));
}

TEST(FeatureExtractor, ClipsWhatNoImageHolds) {
  const auto extractor = make(kSmall);
  EXPECT_TRUE(at::allclose(extractor->inputs_of(at::full({1, 3, 8, 8}, 1.5f)),
                           extractor->inputs_of(at::full({1, 3, 8, 8}, 1.0f))));
}

TEST(FeatureExtractor, JudgesEachImageAlone) {
  const auto extractor = make(kSmall);
  const at::Tensor images = golden("images");
  const at::Tensor many = images.repeat({4, 1, 1, 1}).slice(0, 0, 7);  // of several small batches
  const at::Tensor features = extractor->features(many);
  ASSERT_EQ(features.size(0), 7);
  expect_agrees(extractor->features(images.slice(0, 1, 2)), features.slice(0, 5, 6));
}

TEST(FeatureExtractor, ResizesByAnotherRuleOnRequest) {
  const auto extractor = make(kSmall);
  const at::Tensor own = extractor->inputs_of(golden("images"));
  extractor->set_resize(ResizeMode::kTfBilinear);
  EXPECT_EQ(to_json(extractor->recipe())["resize"], "tf_bilinear");
  EXPECT_FALSE(at::allclose(own, extractor->inputs_of(golden("images"))));
  extractor->set_resize(ResizeMode::kNone);
  EXPECT_THROW(extractor->inputs_of(golden("images")), UsageError);
  EXPECT_NO_THROW(extractor->inputs_of(at::zeros({1, 3, 112, 112})));
}

TEST(FeatureExtractor, RefusesWhatAreNoImages) {
  const auto extractor = make(kSmall);
  EXPECT_THAT(
      [&] {
        extractor->features(at::zeros({2, 4, 8, 8}));
      },
      ThrowsMessage<UsageError>(AllOf(HasSubstr("[2, 4, 8, 8]"), HasSubstr("1 or 3"))));
  EXPECT_THROW(extractor->features(at::zeros({3, 8, 8})), UsageError);
  EXPECT_THROW(extractor->features(at::zeros({2, 3, 8, 8}, at::kInt)), UsageError);
  EXPECT_THROW(extractor->features(at::zeros({0, 3, 8, 8})), UsageError);
}

TEST(FeatureExtractor, RefusesLogitsOfANetworkWithoutClasses) {
  const auto extractor = make("face_descriptor");
  EXPECT_THAT(
      [&] {
        extractor->logits_of_features(at::zeros({1, 128}));
      },
      ThrowsMessage<UsageError>(HasSubstr("face_descriptor")));
}

TEST(FaceAgeGender, TellsAgesInYears) {
  const at::NoGradGuard no_grad;
  const auto extractor = make(kSmall);
  const auto& network = dynamic_cast<const FaceAgeGender&>(*extractor);
  expect_agrees(network.years_of_features(network.features(golden("images"))),
                golden("face_age_gender.years"));
}

TEST(MakeFeatureExtractor, ReadsHalfPrecisionFilesAndNotesTheirHash) {
  const auto path = std::filesystem::path(testing::TempDir()) / "equipoise_extractor.safetensors";
  NamedTensors halves;
  NamedTensors rounded;
  for (const auto& [name, tensor] : golden_weights(kSmall)) {
    halves[name] = tensor.to(at::kHalf);
    rounded[name] = halves[name].to(at::kFloat);
  }
  io::write_safetensors(path, halves);
  const auto extractor = make_feature_extractor(kSmall, path, "bicubic_antialias");
  EXPECT_EQ(extractor->recipe().weights_sha256, io::sha256_of_file(path));
  EXPECT_EQ(extractor->recipe().resize, ResizeMode::kBicubicAntialias);
  std::filesystem::remove(path);
  const at::Tensor inputs = extractor->inputs_of(golden("images"));
  EXPECT_TRUE(at::equal(extractor->features_of_inputs(inputs),
                        make(kSmall, rounded)->features_of_inputs(inputs)));
}

TEST(MakeFeatureExtractor, OffersTheNearestName) {
  EXPECT_THAT([] { make_feature_extractor("inception_fit", "nowhere"); },
              ThrowsMessage<UsageError>(HasSubstr("inception_fid")));
  EXPECT_THAT([] { make_feature_extractor(kSmall, "nowhere", "bilinaer"); },
              ThrowsMessage<UsageError>(HasSubstr("bilinear")));
  EXPECT_THROW(make_feature_extractor(kSmall, "nowhere"), DataError);
}

}  // namespace
}  // namespace equipoise::nets
