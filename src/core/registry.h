// How a method becomes known: one line in its own file. Listings, CLI choices and the conformance
// suites read it.
#pragma once

#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/spelling.h"

namespace equipoise {

/// What `equipoise list` prints of a method.
struct MethodInfo {
  std::string name;
  std::string summary;   ///< one sentence
  std::string source;    ///< paper and equation, or "ours"
  std::string use_when;  ///< one line: when to use it, what to prefer otherwise
};

/// The methods of one family. `Family` has a static `kFamily` name ("objective"); `Factory` makes a
/// member.
template <class Family, class Factory>
class Registry {
 public:
  struct Entry {
    MethodInfo info;
    Factory make;
  };

  static Registry& instance() {
    static Registry registry;
    return registry;
  }
  /// Throws std::logic_error when the name is taken: two files must not register one name.
  bool add(MethodInfo info, Factory make) {
    std::string name = info.name;
    if (!entries_.emplace(name, Entry{std::move(info), std::move(make)}).second)
      throw std::logic_error(std::string(Family::kFamily) + " '" + name + "' is registered twice");
    return true;
  }
  bool contains(const std::string& name) const { return entries_.count(name) > 0; }
  /// Throws UsageError listing the known names and the nearest one.
  const Entry& find(const std::string& name) const {
    auto it = entries_.find(name);
    if (it == entries_.end()) throw unknown_name(Family::kFamily, name, names());
    return it->second;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const auto& [name, entry] : entries_) result.push_back(name);
    return result;
  }
  const std::map<std::string, Entry>& entries() const { return entries_; }

 private:
  std::map<std::string, Entry> entries_;
};

}  // namespace equipoise
