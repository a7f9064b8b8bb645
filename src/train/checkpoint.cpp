#include "train/checkpoint.h"

#include <cstring>

#include <fmt/format.h>

#include "core/error.h"
#include "io/json_lines.h"
#include "io/safetensors.h"

namespace equipoise::train {
namespace {

using Json = nlohmann::json;

// JSON has no NaN or infinity, and decimal text would have to be long enough to be exact: store the
// bits.
Json bits(double value) {
  int64_t word;
  static_assert(sizeof(word) == sizeof(value));
  std::memcpy(&word, &value, sizeof(word));
  return word;
}
double from_bits(const Json& json) {
  const int64_t word = json.get<int64_t>();
  double value;
  std::memcpy(&value, &word, sizeof(value));
  return value;
}

Json counters_to_json(const LoopCounters& c) {
  return {{"images", c.images},
          {"loss_sum", bits(c.loss_sum)},
          {"loss_images", c.loss_images},
          {"best_loss", bits(c.best_loss)},
          {"best_images", c.best_images},
          {"bad_steps", c.bad_steps},
          {"bad_in_a_row", c.bad_in_a_row},
          {"seconds", bits(c.seconds)}};
}

LoopCounters counters_from_json(const Json& json) {
  LoopCounters c;
  c.images = json.at("images");
  c.loss_sum = from_bits(json.at("loss_sum"));
  c.loss_images = json.at("loss_images");
  c.best_loss = from_bits(json.at("best_loss"));
  c.best_images = json.at("best_images");
  c.bad_steps = json.at("bad_steps");
  c.bad_in_a_row = json.at("bad_in_a_row");
  c.seconds = from_bits(json.at("seconds"));
  return c;
}

void check_recipe(const std::string& where, const Json& found, const Json& wanted) {
  if (found == wanted) return;
  const Json changes = Json::diff(found, wanted);
  const std::string option = changes.at(0).at("path").get<std::string>();
  const Json::json_pointer pointer(option);
  throw UsageError(
      {.where = where,
       .what = fmt::format("this checkpoint was written with another setting of {}", option),
       .got = wanted.contains(pointer) ? wanted.at(pointer).dump() : "nothing",
       .expected = found.contains(pointer) ? found.at(pointer).dump() : "nothing",
       .hint = "Resume with the settings of the first start, or train into a new folder"});
}

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint) {
  Json curve = Json::array();
  for (const Tick& tick : checkpoint.curve)
    curve.push_back({tick.images, bits(tick.loss), bits(tick.heldout_loss), tick.notes});
  const Json state{{"format", 1},
                   {"num_steps", checkpoint.num_steps},
                   {"counters", counters_to_json(checkpoint.counters)},
                   {"curve", curve},
                   {"companions", checkpoint.companions},
                   {"recipe", checkpoint.recipe}};
  io::write_safetensors(path,
                        {{"values", checkpoint.values},
                         {"first_moment", checkpoint.first_moment},
                         {"second_moment", checkpoint.second_moment},
                         {"average", checkpoint.average},
                         {"best", checkpoint.best}},
                        {{"format", "equipoise.checkpoint"}, {"state", state.dump()}});
}

Checkpoint load_checkpoint(const std::filesystem::path& path, const Json& recipe, int64_t size) {
  io::SafetensorsFile file = io::read_safetensors(path);
  if (file.metadata["format"] != "equipoise.checkpoint")
    throw DataError({.where = path.string(),
                     .what = "not a checkpoint",
                     .got = "",
                     .expected = "",
                     .hint = ""});
  const Json state = io::parse_json(file.metadata["state"], path.string());
  check_recipe(path.string(), state.at("recipe"), recipe);
  Checkpoint checkpoint{.values = file.tensors["values"],
                        .first_moment = file.tensors["first_moment"],
                        .second_moment = file.tensors["second_moment"],
                        .average = file.tensors["average"],
                        .best = file.tensors["best"],
                        .num_steps = state.at("num_steps"),
                        .counters = counters_from_json(state.at("counters")),
                        .curve = {},
                        .companions = state.value("companions", Json::array()),
                        .recipe = recipe};
  for (const at::Tensor& tensor : {checkpoint.values, checkpoint.first_moment,
                                   checkpoint.second_moment, checkpoint.average, checkpoint.best})
    if (!tensor.defined() || tensor.numel() != size)
      throw UsageError({.where = path.string(),
                        .what = "this checkpoint belongs to another network",
                        .got = fmt::format("{} weights", tensor.defined() ? tensor.numel() : 0),
                        .expected = fmt::format("{}", size),
                        .hint = "Train into a new folder"});
  for (const Json& tick : state.at("curve"))
    checkpoint.curve.push_back({.images = tick.at(0),
                                .loss = from_bits(tick.at(1)),
                                .heldout_loss = from_bits(tick.at(2)),
                                .notes = tick.size() > 3 ? tick.at(3) : Json::object()});
  return checkpoint;
}

}  // namespace equipoise::train
