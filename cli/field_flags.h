// Flags made from a config struct's field list, so that names, defaults, limits and help are
// written once.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "core/config.h"
#include "core/fields.h"

namespace equipoise::cli {

/// Adds one flag a field: `sigma_min` becomes --sigma-min. Lists are given as A,B,C.
///
///   FieldFlags flags(command, "Sampler");
///   flags.add(samplers::GridConfig{});
///   … once parsed: flags.given() == {"steps": 40}
class FieldFlags : private FieldVisitor {
 public:
  /// `group` heads the flags in --help; flags are named --PREFIXname.
  FieldFlags(CLI::App& command, std::string group, std::string prefix = "")
      : command_(command), group_(std::move(group)), prefix_(std::move(prefix)) {}

  template <class Struct>
  void add(Struct defaults) {
    defaults.fields(*this);
  }
  /// The fields the user set, by name; range and choice are checked by whoever reads them (core's
  /// from_json).
  const std::shared_ptr<nlohmann::json>& given() const { return given_; }

 private:
  void visit(const FieldInfo& info, bool& value) override;
  void visit(const FieldInfo& info, int64_t& value) override;
  void visit(const FieldInfo& info, double& value) override;
  void visit(const FieldInfo& info, std::string& value) override;
  void visit(const FieldInfo& info, std::vector<int64_t>& value) override;
  void visit(const FieldInfo& info, std::vector<double>& value) override;
  void visit(const FieldInfo& info, std::vector<std::string>& value) override;
  void enter(const std::string& name, const std::string&) override { tables_.push_back(name); }
  void leave() override { tables_.pop_back(); }

  template <class T>
  void add_flag(const FieldInfo& info, const T& value);
  template <class T>
  void add_list(const FieldInfo& info, const std::vector<T>& value);
  void describe(CLI::Option& option, const FieldInfo& info, const std::string& default_text);
  std::string flag_name(const FieldInfo& info) const;
  nlohmann::json::json_pointer place(const FieldInfo& info) const;

  CLI::App& command_;
  std::string group_;
  std::string prefix_;
  std::vector<std::string> tables_;
  std::shared_ptr<nlohmann::json> given_ =
      std::make_shared<nlohmann::json>(nlohmann::json::object());
};

}  // namespace equipoise::cli
