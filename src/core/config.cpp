#include "core/config.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>

#include "core/error.h"
#include "core/spelling.h"

namespace equipoise {
namespace {

using Json = nlohmann::json;

std::string join_path(const std::string& parent, const std::string& key) {
  return parent.empty() ? key : parent + "." + key;
}

/// Lines are counted from 1; 0 means that the text has no lines worth naming (--set).
std::string place(const std::string& origin, size_t line) {
  return line == 0 ? origin : fmt::format("{}:{}", origin, line);
}

Json toml_to_json(const toml::node& node, const std::string& path, const std::string& origin,
                  bool with_lines, std::map<std::string, std::string>& origins) {
  if (const toml::table* table = node.as_table()) {
    Json object = Json::object();
    for (const auto& [key, value] : *table) {
      const std::string name(key.str());
      object[name] = toml_to_json(value, join_path(path, name), origin, with_lines, origins);
    }
    return object;
  }
  origins[path] = place(origin, with_lines ? node.source().begin.line : 0);
  if (const toml::array* array = node.as_array()) {
    Json list = Json::array();
    std::map<std::string, std::string> unused;
    for (const toml::node& item : *array)
      list.push_back(toml_to_json(item, path, origin, with_lines, unused));
    return list;
  }
  if (auto value = node.value_exact<bool>()) return *value;
  if (auto value = node.value_exact<int64_t>()) return *value;
  if (auto value = node.value_exact<double>()) return *value;
  if (auto value = node.value_exact<std::string>()) return *value;
  throw UsageError({.where = origins[path],
                    .what = fmt::format("'{}' is a date or time", path),
                    .got = "",
                    .expected = "a string, number, boolean or list",
                    .hint = "Write it in quotes"});
}

toml::table parse_toml(const std::string& text, const std::string& origin) {
  try {
    return toml::parse(text, origin);
  } catch (const toml::parse_error& error) {
    throw UsageError({.where = place(origin, error.source().begin.line),
                      .what = std::string("not valid TOML: ") + std::string(error.description()),
                      .got = "",
                      .expected = "",
                      .hint = ""});
  }
}

const char* type_word(const Json& value) {
  if (value.is_object()) return "a table";
  if (value.is_array()) return "a list";
  if (value.is_string()) return "a string";
  if (value.is_boolean()) return "a boolean";
  return value.is_number_float() ? "a number" : "a whole number";
}

const Json* find_path(const Json& root, const std::string& path) {
  const Json* node = &root;
  std::istringstream parts(path);
  for (std::string key; std::getline(parts, key, '.');) {
    if (!node->is_object() || !node->contains(key)) return nullptr;
    node = &node->at(key);
  }
  return node;
}

/// Copies one JSON value into a field, or says in `problem` why it cannot.
class FieldParser {
 public:
  FieldParser(const FieldInfo& info, const Json& value) : info_(info), value_(value) {}

  bool read(bool& out) {
    return value_.is_boolean() ? (out = value_.get<bool>(), true) : wrong("true or false");
  }
  bool read(int64_t& out) {
    if (!value_.is_number_integer()) return wrong("a whole number");
    return in_limits(value_.get<double>()) && (out = value_.get<int64_t>(), true);
  }
  bool read(double& out) {
    if (!value_.is_number()) return wrong("a number");
    return in_limits(value_.get<double>()) && (out = value_.get<double>(), true);
  }
  bool read(std::string& out) {
    if (!value_.is_string()) return wrong("a string");
    const std::string text = value_.get<std::string>();
    if (!info_.choices.empty() &&
        std::find(info_.choices.begin(), info_.choices.end(), text) == info_.choices.end()) {
      const std::string nearest = nearest_name(text, info_.choices);
      problem = fmt::format("'{}' got '{}', expected one of: {}", info_.name, text,
                            fmt::join(info_.choices, ", "));
      if (!nearest.empty()) problem += fmt::format(" (did you mean '{}'?)", nearest);
      return false;
    }
    out = text;
    return true;
  }
  template <class T>
  bool read(std::vector<T>& out) {
    if (!value_.is_array()) return wrong("a list");
    std::vector<T> items;
    for (const Json& item : value_) {
      T element{};
      FieldParser parser(info_, item);
      if (!parser.read(element)) {
        problem = parser.problem;
        return false;
      }
      items.push_back(std::move(element));
    }
    out = std::move(items);
    return true;
  }
  std::string problem;

 private:
  bool wrong(const char* expected) {
    problem = fmt::format("'{}' got {} ({}), expected {}", info_.name, type_word(value_),
                          value_.dump(), expected);
    return false;
  }
  bool in_limits(double value) {
    if (value >= info_.limits.low && value <= info_.limits.high) return true;
    problem = fmt::format("'{}' got {}, expected {} to {}{}", info_.name, value, info_.limits.low,
                          info_.limits.high, info_.unit.empty() ? "" : " " + info_.unit);
    return false;
  }
  const FieldInfo& info_;
  const Json& value_;
};

/// A visitor that treats every field type alike and keeps track of the table it is in.
template <class Derived>
class UniformVisitor : public FieldVisitor {
 protected:
  void visit(const FieldInfo& info, bool& value) override { self().field(info, value); }
  void visit(const FieldInfo& info, int64_t& value) override { self().field(info, value); }
  void visit(const FieldInfo& info, double& value) override { self().field(info, value); }
  void visit(const FieldInfo& info, std::string& value) override { self().field(info, value); }
  void visit(const FieldInfo& info, std::vector<int64_t>& value) override {
    self().field(info, value);
  }
  void visit(const FieldInfo& info, std::vector<double>& value) override {
    self().field(info, value);
  }
  void visit(const FieldInfo& info, std::vector<std::string>& value) override {
    self().field(info, value);
  }
  void enter(const std::string& name, const std::string&) override { tables_.push_back(name); }
  void leave() override { tables_.pop_back(); }
  std::string path_of(const std::string& name) const {
    std::string path;
    for (const std::string& table : tables_) path = join_path(path, table);
    return join_path(path, name);
  }
  std::vector<std::string> tables_;

 private:
  Derived& self() { return static_cast<Derived&>(*this); }
};

class JsonWriter : public UniformVisitor<JsonWriter> {
 public:
  template <class T>
  void field(const FieldInfo& info, T& value) {
    nlohmann::ordered_json* node = &json;
    for (const std::string& table : tables_) node = &(*node)[table];
    (*node)[info.name] = value;
  }
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
};

class HelpWriter : public UniformVisitor<HelpWriter> {
 public:
  template <class T>
  void field(const FieldInfo& info, T& value) {
    std::string notes = info.unit;
    if (!info.choices.empty()) notes = fmt::format("{}", fmt::join(info.choices, " | "));
    const bool low = std::isfinite(info.limits.low), high = std::isfinite(info.limits.high);
    if (low || high) {
      if (!notes.empty()) notes += ", ";
      notes += low && high ? fmt::format("{} to {}", info.limits.low, info.limits.high)
               : low       ? fmt::format("at least {}", info.limits.low)
                           : fmt::format("at most {}", info.limits.high);
    }
    text += fmt::format("{} = {}   # {}{}\n", path_of(info.name), Json(value).dump(), info.help,
                        notes.empty() ? "" : " (" + notes + ")");
  }
  std::string text;
};

void collect_leaves(const Json& node, const std::string& path,
                    const std::function<void(const std::string&)>& found) {
  for (const auto& [key, value] : node.items()) {
    const std::string child = join_path(path, key);
    if (value.is_object() && !value.empty())
      collect_leaves(value, child, found);
    else
      found(child);
  }
}

void write_toml_value(std::string& out, const nlohmann::ordered_json& value) {
  if (value.is_number_float()) {
    std::string text = value.dump();
    if (text.find_first_of(".eE") == std::string::npos) text += ".0";
    out += text;
  } else if (value.is_array()) {
    out += "[";
    for (size_t i = 0; i < value.size(); ++i) {
      if (i > 0) out += ", ";
      write_toml_value(out, value[i]);
    }
    out += "]";
  } else {
    out += value.dump();  // JSON strings, integers and booleans are TOML too
  }
}

void write_toml_table(std::string& out, const nlohmann::ordered_json& table,
                      const std::string& path) {
  bool has_leaves = false;
  for (const auto& [key, value] : table.items()) has_leaves |= !value.is_object();
  if (!path.empty() && (has_leaves || table.empty()))
    out += (out.empty() ? "[" : "\n[") + path + "]\n";
  for (const auto& [key, value] : table.items()) {
    if (value.is_object()) continue;
    out += key + " = ";
    write_toml_value(out, value);
    out += "\n";
  }
  for (const auto& [key, value] : table.items())
    if (value.is_object()) write_toml_table(out, value, join_path(path, key));
}

}  // namespace

/// Reads fields out of a ConfigTree, noting which keys are known and what is wrong.
class ConfigReader : public UniformVisitor<ConfigReader> {
 public:
  ConfigReader(ConfigTree& tree, const std::string& path) : tree_(tree) {
    if (!path.empty()) tables_.push_back(path);
  }
  template <class T>
  void field(const FieldInfo& info, T& value) {
    const std::string path = path_of(info.name);
    tree_.known_[path] = true;
    const Json* node = find_path(tree_.root_, path);
    if (node == nullptr) return;
    FieldInfo named = info;
    named.name = path;
    FieldParser parser(named, *node);
    if (!parser.read(value))
      tree_.problems_.push_back(fmt::format("[{}] {}", tree_.origin(path), parser.problem));
  }

 private:
  ConfigTree& tree_;
};

void ConfigTree::add_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    throw UsageError({.where = path.string(),
                      .what = "cannot read the config file",
                      .got = "",
                      .expected = "",
                      .hint = "Check the path, or name a preset with --preset"});
  std::ostringstream text;
  text << file.rdbuf();
  add_text(text.str(), path.string());
}

void ConfigTree::add_text(const std::string& toml, const std::string& origin) {
  std::map<std::string, std::string> origins;
  const Json tree = toml_to_json(parse_toml(toml, origin), "", origin, true, origins);
  merge(root_, tree, "", origins);
}

void ConfigTree::add_json(const Json& values, const std::string& origin) {
  if (!values.is_object())
    throw UsageError({.where = origin,
                      .what = "not a table of options",
                      .got = values.dump(),
                      .expected = "{name: value, ...}",
                      .hint = ""});
  std::map<std::string, std::string> origins;
  collect_leaves(values, "", [&](const std::string& leaf) { origins[leaf] = origin; });
  merge(root_, values, "", origins);
}

void ConfigTree::add_assignment(const std::string& assignment) {
  const size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0)
    throw UsageError({.where = "--set",
                      .what = "not an assignment",
                      .got = "'" + assignment + "'",
                      .expected = "key.path=value",
                      .hint = ""});
  const std::string key = assignment.substr(0, equals), value = assignment.substr(equals + 1);
  const std::string origin = "--set " + key;
  toml::table table;
  try {
    table = toml::parse(key + " = " + value);
  } catch (const toml::parse_error&) {
    table = parse_toml(key + " = " + Json(value).dump(), origin);  // a bare word is a string
  }
  std::map<std::string, std::string> origins;
  const Json tree = toml_to_json(table, "", origin, false, origins);
  merge(root_, tree, "", origins);
}

void ConfigTree::merge(Json& into, const Json& from, const std::string& path,
                       const std::map<std::string, std::string>& origins) {
  for (const auto& [key, value] : from.items()) {
    const std::string child = join_path(path, key);
    if (value.is_object() && into.contains(key) && into[key].is_object()) {
      merge(into[key], value, child, origins);
      continue;
    }
    into[key] = value;
    for (const auto& [leaf, origin] : origins)
      if (leaf == child || leaf.rfind(child + ".", 0) == 0) origins_[leaf] = origin;
  }
}

void ConfigTree::read_erased(const std::string& path, void (*call)(const void*, FieldVisitor&),
                             const void* body) {
  ConfigReader reader(*this, path);
  call(body, reader);
}

void ConfigTree::accept_all_below(const std::string& path) {
  known_[path] = false;
}

bool ConfigTree::has(const std::string& path) const {
  return find_path(root_, path) != nullptr;
}

std::vector<std::string> ConfigTree::keys(const std::string& path) const {
  std::vector<std::string> result;
  const Json* node = find_path(root_, path);
  if (node != nullptr && node->is_object())
    for (const auto& [key, value] : node->items()) result.push_back(key);
  return result;
}

Json ConfigTree::value(const std::string& path) const {
  const Json* node = path.empty() ? &root_ : find_path(root_, path);
  return node == nullptr ? Json() : *node;
}

std::string ConfigTree::origin(const std::string& path) const {
  auto it = origins_.find(path);
  return it == origins_.end() ? "default" : it->second;
}

std::string ConfigTree::nearest_key(const std::string& path) const {
  const auto parent_of = [](const std::string& p) {
    return p.substr(0, p.rfind('.') == p.npos ? 0 : p.rfind('.') + 1);
  };
  const std::string parent = parent_of(path);
  std::vector<std::string> siblings, all;
  for (const auto& [known, is_leaf] : known_) {
    all.push_back(known);
    if (parent_of(known) == parent) siblings.push_back(known.substr(parent.size()));
  }
  const std::string sibling = nearest_name(path.substr(parent.size()), siblings);
  if (!sibling.empty()) return parent + sibling;
  return siblings.empty() ? nearest_name(path, all) : "";
}

void ConfigTree::finish() {
  collect_leaves(root_, "", [&](const std::string& leaf) {
    for (const auto& [path, is_leaf] : known_)
      if (leaf == path || (!is_leaf && leaf.rfind(path + ".", 0) == 0)) return;
    const std::string nearest = nearest_key(leaf);
    problems_.push_back(
        fmt::format("[{}] unknown key '{}'{}", origin(leaf), leaf,
                    nearest.empty() ? "" : fmt::format("; did you mean '{}'?", nearest)));
  });
  if (problems_.empty()) return;
  if (problems_.size() == 1)
    throw UsageError({.where = "", .what = problems_[0], .got = "", .expected = "", .hint = ""});
  throw UsageError(
      {.where = "config",
       .what = fmt::format("{} problems:\n  {}", problems_.size(), fmt::join(problems_, "\n  ")),
       .got = "",
       .expected = "",
       .hint = ""});
}

std::string to_toml(const nlohmann::ordered_json& json) {
  std::string out;
  write_toml_table(out, json, "");
  return out;
}

namespace detail {

nlohmann::ordered_json fields_to_json(void (*call)(void*, FieldVisitor&), void* config) {
  JsonWriter writer;
  call(config, writer);
  return writer.json;
}

std::string fields_help(void (*call)(void*, FieldVisitor&), void* config) {
  HelpWriter writer;
  call(config, writer);
  return writer.text;
}

void fields_from_json(void (*call)(void*, FieldVisitor&), void* config, const Json& json,
                      const std::string& where) {
  ConfigTree tree;
  tree.add_json(json, where);
  tree.read_fields("", [&](FieldVisitor& f) { call(config, f); });
  tree.finish();
}

}  // namespace detail
}  // namespace equipoise
