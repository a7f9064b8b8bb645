// check_extractors FOLDER: do the extractors with real weights give the outputs published beside
// them, and how fast are they?
//
// FOLDER holds faceapi_face_descriptor, faceapi_age_gender and mobilenet_v2_imagenet (.safetensors)
// and expected_outputs.json: for each, outputs for the input sin(0.7 c + 0.05 i + 0.03 j), channel
// c, row i, column j, fed to the network as it is. Speeds are of one thread, on 64 images of 64x64,
// resizing included. Exit 1 when an output is off by more than 1e-3 of the largest of its kind, or
// of 1.
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/libtorch.h"
#include "io/json_lines.h"
#include "nets/extractors/face_age_gender.h"
#include "nets/extractors/feature_extractor.h"

namespace equipoise {
namespace {

using nets::FeatureExtractor;
using nlohmann::json;

constexpr double kTolerance = 1e-3;
constexpr int64_t kNumTimed = 64;

at::Tensor formula_input(int64_t size) {
  const at::Tensor channel = at::arange(3, at::kDouble).view({1, 3, 1, 1}) * 0.7;
  const at::Tensor row = at::arange(size, at::kDouble).view({1, 1, size, 1}) * 0.05;
  const at::Tensor column = at::arange(size, at::kDouble).view({1, 1, 1, size}) * 0.03;
  return at::sin(channel + row + column).to(at::kFloat);
}

at::Tensor numbers(const json& values) {
  return at::tensor(values.is_array() ? values.get<std::vector<double>>()
                                      : std::vector<double>{values.get<double>()},
                    at::kDouble);
}

class Check {
 public:
  void compare(const std::string& what, const at::Tensor& actual, const json& expected) {
    const at::Tensor truth = numbers(expected);
    const at::Tensor difference = actual.reshape({-1}).to(at::kDouble) - truth;
    const double scale = std::max(1.0, truth.abs().max().item<double>());
    const double error = difference.abs().max().item<double>() / scale;
    has_failed_ |= !(error <= kTolerance);
    fmt::print("  {:<20} off by {:.1e}{}\n", what, error, error <= kTolerance ? "" : "  FAILED");
  }
  bool has_failed() const { return has_failed_; }

 private:
  bool has_failed_ = false;
};

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void print_speed(const FeatureExtractor& extractor) {
  const at::Tensor images = at::randint(256, {kNumTimed, 3, 64, 64}, at::kByte);
  extractor.features(images.slice(0, 0, 4));  // sets up what is set up once
  const double seconds = seconds_of([&] { extractor.features(images); });
  fmt::print("  {:.1f} images/s\n", kNumTimed / seconds);
}

// The outputs each network is checked by, given what was published of it.
using Compare =
    std::function<void(const FeatureExtractor&, const at::Tensor& features, const json&, Check&)>;

void check_network(const std::filesystem::path& folder, const std::string& name,
                   const std::string& file, const Compare& compare, Check& check) {
  const auto extractor = nets::make_feature_extractor(name, folder / (file + ".safetensors"));
  const json expected = io::read_json(folder / "expected_outputs.json").at(file);
  fmt::print("{}, {}\n", name, extractor->recipe().weights_sha256.substr(0, 12));
  const at::Tensor input = formula_input(extractor->recipe().input_size);
  compare(*extractor, extractor->features_of_inputs(input), expected, check);
  print_speed(*extractor);
}

void compare_descriptor(const FeatureExtractor&, const at::Tensor& features, const json& expected,
                        Check& check) {
  check.compare("first 8", features.slice(1, 0, 8), expected.at("descriptor_first8"));
  check.compare("norm", features.norm(), expected.at("norm"));
}

void compare_age_gender(const FeatureExtractor& extractor, const at::Tensor& features,
                        const json& expected, Check& check) {
  const auto& network = dynamic_cast<const nets::FaceAgeGender&>(extractor);
  check.compare("first 8", features.slice(1, 0, 8), expected.at("pooled512_first8"));
  check.compare("gender", network.logits_of_features(features).softmax(1),
                expected.at("gender_softmax"));
  check.compare("age", network.years_of_features(features), expected.at("age"));
}

void compare_mobilenet(const FeatureExtractor& extractor, const at::Tensor& features,
                       const json& expected, Check& check) {
  check.compare("first 8", features.slice(1, 0, 8), expected.at("pooled1280_first8"));
  check.compare("sum", features.sum(), expected.at("pooled_sum"));
  const at::Tensor probabilities = extractor.logits_of_features(features).softmax(1)[0];
  const auto [top, classes] = probabilities.topk(5);
  std::vector<double> expected_top, expected_classes;
  for (const json& pair : expected.at("top5")) {
    expected_classes.push_back(pair.at(0));
    expected_top.push_back(pair.at(1));
  }
  check.compare("top 5 classes", classes, expected_classes);
  check.compare("top 5 probabilities", top, expected_top);
}

int run(const std::filesystem::path& folder) {
  at::set_num_threads(1);
  const at::NoGradGuard no_grad;
  Check check;
  check_network(folder, "face_descriptor", "faceapi_face_descriptor", compare_descriptor, check);
  check_network(folder, "face_age_gender", "faceapi_age_gender", compare_age_gender, check);
  check_network(folder, "mobilenet_v2", "mobilenet_v2_imagenet", compare_mobilenet, check);
  return check.has_failed() ? 1 : 0;
}

}  // namespace
}  // namespace equipoise

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: check_extractors FOLDER\n");
    return 2;
  }
  try {
    return equipoise::run(argv[1]);
  } catch (const equipoise::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return error.exit_code();
  }
}
