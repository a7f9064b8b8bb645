#include "nets/state.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "nets/network.h"

namespace equipoise::nets {
namespace {

std::shared_ptr<DenoiserNetwork> make(uint64_t seed) {
  return make_denoiser_network({{"type", "MLP"}, {"hidden", 8}}, {0, 2, 0}, seed);
}

TEST(LoadState, RestoresWhatStateOfReturned) {
  const auto source = make(1), target = make(2);
  load_state(*target, state_of(*source), "test");
  for (const auto& [name, tensor] : state_of(*source))
    EXPECT_TRUE(at::equal(tensor, state_of(*target).at(name)));
}

TEST(LoadState, ListsWhatDoesNotFit) {
  const auto network = make(1);
  NamedTensors state = state_of(*network);
  state.erase("out.bias");
  state["surplus"] = at::zeros({1});
  state["out.weight"] = at::zeros({3, 8});
  try {
    load_state(*network, state, "weights.safetensors");
    FAIL() << "accepted";
  } catch (const DataError& error) {
    const std::string text = error.what();
    for (const char* part : {"weights.safetensors", "missing out.bias", "unexpected surplus",
                             "out.weight (3x8 instead of 2x8)"})
      EXPECT_NE(text.find(part), std::string::npos) << text;
  }
}

TEST(LoadState, ListsOnlyTheFirstFew) {
  try {
    load_state(*make(1), {}, "test");
    FAIL() << "accepted";
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find(" and "), std::string::npos) << error.what();
    EXPECT_LT(std::string(error.what()).size(), 300u);
  }
}

TEST(NumParameters, CountsElements) {
  // 17 -> 32 noise map; (2, 8, 8) -> 8 with biases; three 32 -> 8 without; 8 -> 2.
  EXPECT_EQ(num_parameters(*make(1)),
            17 * 32 + 32 + (2 + 8 + 8) * 8 + 3 * 8 + 3 * 32 * 8 + 8 * 2 + 2);
}

}  // namespace
}  // namespace equipoise::nets
