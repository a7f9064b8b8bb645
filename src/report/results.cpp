#include "report/results.h"

#include "core/error.h"
#include "io/json_lines.h"

namespace equipoise::report {
namespace {

constexpr const char* kFormat = "equipoise-results/1";

}  // namespace

Json load_results(const std::filesystem::path& run_dir) {
  const std::filesystem::path path = run_dir / "results.json";
  if (!std::filesystem::exists(path)) {
    throw DataError({.where = run_dir.string(),
                     .what = "this folder holds no results.json",
                     .hint = "Give the folder that `equipoise run` or `equipoise demo` wrote, "
                             "after it has finished"});
  }
  Json results = io::read_json(path);
  const std::string format = results.is_object() ? text_at(results, "/format") : "";
  if (format != kFormat) {
    throw DataError({.where = path.string(),
                     .what = "this is not a results file that this version reads",
                     .got = format.empty() ? "no \"format\"" : format,
                     .expected = kFormat});
  }
  return results;
}

const Json& value_at(const Json& json, const std::string& pointer) {
  static const Json kNothing;
  const Json::json_pointer where(pointer);
  return json.contains(where) ? json.at(where) : kNothing;
}

std::string pointer_key(const std::string& key) {
  return (Json::json_pointer() / key).to_string().substr(1);
}

std::optional<double> number_at(const Json& json, const std::string& pointer) {
  const Json& value = value_at(json, pointer);
  return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
}

std::string text_at(const Json& json, const std::string& pointer) {
  const Json& value = value_at(json, pointer);
  if (value.is_null()) return "";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::vector<Json> list_at(const Json& json, const std::string& pointer) {
  const Json& value = value_at(json, pointer);
  return value.is_array() ? value.get<std::vector<Json>>() : std::vector<Json>{};
}

std::optional<Estimate> estimate_at(const Json& json, const std::string& pointer) {
  const auto value = number_at(json, pointer + "/value");
  if (!value) return std::nullopt;
  return Estimate{*value, number_at(json, pointer + "/low"), number_at(json, pointer + "/high")};
}

std::optional<Estimate> total_variation_of(const Json& method) {
  const auto corrected = estimate_at(method, "/total_variation/corrected");
  return corrected ? corrected : estimate_at(method, "/total_variation/raw");
}

std::optional<double> total_variation_floor(const Json& method) {
  const char* kind = estimate_at(method, "/total_variation/corrected") ? "corrected" : "raw";
  return number_at(method, std::string("/total_variation/") + kind + "/floor_high");
}

std::string method_title(const Json& method) {
  const std::string title = text_at(method, "/title");
  return title.empty() ? text_at(method, "/name") : title;
}

std::vector<std::string> class_names(const Json& results) {
  std::vector<std::string> names;
  for (const Json& name : list_at(results, "/data/class_names"))
    names.push_back(name.is_string() ? name.get<std::string>() : name.dump());
  return names;
}

std::optional<double> target_share(const Json& results, size_t group) {
  return number_at(results, "/data/target/" + std::to_string(group));
}

std::string class_name(const std::vector<std::string>& names, size_t index) {
  return index < names.size() ? names[index] : "class " + std::to_string(index);
}

}  // namespace equipoise::report
