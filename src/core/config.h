// Configuration from layers: defaults < preset < file < --set. TOML in; every value knows where it
// came from.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/fields.h"

namespace equipoise {

/// A tree of values merged from layers, with the origin of each leaf ("file.toml:12", "--set",
/// "preset x").
///
/// Use: add layers from weakest to strongest; `read` each known section into its struct; then
/// `finish()`, which throws one UsageError listing every problem found: unknown keys (with the
/// nearest known name), wrong types, values out of range, each with file and line.
class ConfigTree {
 public:
  ConfigTree() = default;

  /// Merges a TOML file over what is there. Throws UsageError on a syntax error (file and line).
  void add_file(const std::filesystem::path& path);
  /// The same for TOML text already in memory; `origin` stands for the file name.
  void add_text(const std::string& toml, const std::string& origin);
  /// Merges values already parsed; every leaf's origin is `origin`.
  void add_json(const nlohmann::json& values, const std::string& origin);
  /// Merges one "key.path=value" (value parsed as TOML, bare words taken as strings).
  void add_assignment(const std::string& assignment);

  /// Reads the table at `path` ("" = root, "data.split", …) into `config`; absent keys keep their
  /// defaults.
  template <class Struct>
  void read(const std::string& path, Struct& config) {
    read_fields(path, [&](FieldVisitor& f) { config.fields(f); });
  }
  /// Tells `finish` that everything below `path` is known (read elsewhere or free-form).
  void accept_all_below(const std::string& path);
  bool has(const std::string& path) const;
  /// Names of the keys of the table at `path`, in order; empty when there is none.
  std::vector<std::string> keys(const std::string& path) const;
  /// The value at `path` as JSON; null when absent.
  nlohmann::json value(const std::string& path) const;
  /// Where a leaf came from; "default" when no layer set it.
  std::string origin(const std::string& path) const;
  void add_problem(std::string problem) { problems_.push_back(std::move(problem)); }
  void finish();

  /// As `read`, for a body that is handed the visitor.
  template <class Body>
  void read_fields(const std::string& path, const Body& body);

 private:
  friend class ConfigReader;
  void read_erased(const std::string& path, void (*call)(const void*, FieldVisitor&),
                   const void* body);
  void merge(nlohmann::json& into, const nlohmann::json& from, const std::string& path,
             const std::map<std::string, std::string>& origins);

  /// The known key nearest to an unknown one: among its siblings, or among all when its table is
  /// unknown too.
  std::string nearest_key(const std::string& path) const;

  nlohmann::json root_ = nlohmann::json::object();
  std::map<std::string, std::string> origins_;
  std::map<std::string, bool> known_;  // path -> is a leaf (true) or a free subtree (false)
  std::vector<std::string> problems_;
};

template <class Body>
void ConfigTree::read_fields(const std::string& path, const Body& body) {
  read_erased(
      path, [](const void* b, FieldVisitor& f) { (*static_cast<const Body*>(b))(f); }, &body);
}

namespace detail {
nlohmann::ordered_json fields_to_json(void (*call)(void*, FieldVisitor&), void* config);
std::string fields_help(void (*call)(void*, FieldVisitor&), void* config);
void fields_from_json(void (*call)(void*, FieldVisitor&), void* config, const nlohmann::json& json,
                      const std::string& where);
}  // namespace detail

/// The struct's values, in field order.
template <class Struct>
nlohmann::ordered_json to_json(Struct config) {
  return detail::fields_to_json(
      [](void* c, FieldVisitor& f) { static_cast<Struct*>(c)->fields(f); }, &config);
}
/// One line a field: `name = default   # help (unit, limits)`.
template <class Struct>
std::string help_text(Struct config) {
  return detail::fields_help([](void* c, FieldVisitor& f) { static_cast<Struct*>(c)->fields(f); },
                             &config);
}
/// Reads a struct back from JSON; unknown keys and wrong types throw UsageError naming `where`.
template <class Struct>
void from_json(const nlohmann::json& json, Struct& config, const std::string& where) {
  detail::fields_from_json([](void* c, FieldVisitor& f) { static_cast<Struct*>(c)->fields(f); },
                           &config, json, where);
}
/// Writes a JSON object as TOML text: leaves first, then [tables]. The result parses back to the
/// same values.
std::string to_toml(const nlohmann::ordered_json& json);

}  // namespace equipoise
