// A config struct lists its fields once; parser, printer, --help, docs and the unknown-key check
// all walk that list.
//
//   struct HeunConfig {
//     int64_t steps = 18;
//     double rho = 7;
//     void fields(FieldVisitor& f) {
//       f("steps", steps, "count", "sampling steps", {1, 10000});
//       f("rho", rho, "", "grid exponent: larger puts more steps at low noise", {1, 100});
//     }
//   };
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace equipoise {

/// Closed interval a number must lie in.
struct Limits {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
};

struct FieldInfo {
  std::string name;
  std::string unit;  ///< "" when the unit is 1
  std::string help;
  Limits limits;
  std::vector<std::string> choices;  ///< for strings: the only values allowed; empty = any
};

/// Walks the fields of a config struct in order. Vectors of numbers apply `limits` to each element.
class FieldVisitor {
 public:
  virtual ~FieldVisitor() = default;

  template <class T>
  void operator()(std::string name, T& value, std::string unit, std::string help,
                  Limits limits = {}) {
    visit({std::move(name), std::move(unit), std::move(help), limits, {}}, value);
  }
  /// A string that must be one of `choices`.
  void choice(std::string name, std::string& value, std::vector<std::string> choices,
              std::string help) {
    visit({std::move(name), "", std::move(help), {}, std::move(choices)}, value);
  }
  /// A nested table.
  template <class Struct>
  void group(std::string name, Struct& nested, std::string help) {
    enter(name, help);
    nested.fields(*this);
    leave();
  }

 protected:
  virtual void visit(const FieldInfo& info, bool& value) = 0;
  virtual void visit(const FieldInfo& info, int64_t& value) = 0;
  virtual void visit(const FieldInfo& info, double& value) = 0;
  virtual void visit(const FieldInfo& info, std::string& value) = 0;
  virtual void visit(const FieldInfo& info, std::vector<int64_t>& value) = 0;
  virtual void visit(const FieldInfo& info, std::vector<double>& value) = 0;
  virtual void visit(const FieldInfo& info, std::vector<std::string>& value) = 0;
  virtual void enter(const std::string& name, const std::string& help) = 0;
  virtual void leave() = 0;
};

}  // namespace equipoise
