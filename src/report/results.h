// Reading results.json, in which any part may be absent.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace equipoise::report {

using Json = nlohmann::json;

/// RUN_DIR/results.json. Throws DataError when it is missing, damaged, or of another format.
Json load_results(const std::filesystem::path& run_dir);

/// What stands at a JSON pointer such as "/data/split/seed"; null when there is nothing.
const Json& value_at(const Json& json, const std::string& pointer);
/// A key as part of a pointer: '~' and '/' are escaped.
std::string pointer_key(const std::string& key);
std::optional<double> number_at(const Json& json, const std::string& pointer);
/// Strings as they are, other values as JSON, "" when there is nothing.
std::string text_at(const Json& json, const std::string& pointer);
/// Elements of the array at `pointer`; none when there is no array.
std::vector<Json> list_at(const Json& json, const std::string& pointer);

/// A measured number with its interval, where it has one.
struct Estimate {
  double value = 0;
  std::optional<double> low{}, high{};
};
std::optional<Estimate> estimate_at(const Json& json, const std::string& pointer);

/// The method's total variation to the target: corrected for the classifier's errors where that was
/// measured.
std::optional<Estimate> total_variation_of(const Json& method);
/// Up to this value a total variation cannot be told from the target's own, with as many samples.
std::optional<double> total_variation_floor(const Json& method);
/// The method's title, or its name where it has none.
std::string method_title(const Json& method);
std::vector<std::string> class_names(const Json& results);
/// The share the class should have, where a target is stated.
std::optional<double> target_share(const Json& results, size_t group);
/// "class 3" where the data set names fewer.
std::string class_name(const std::vector<std::string>& names, size_t index);

}  // namespace equipoise::report
