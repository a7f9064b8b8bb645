// A method with its options on one line, as flags and configs give it: "heun:steps=40,churn=10".
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace equipoise {

/// "key=value,key=value" as {key: value, …}; values are read as JSON where they are JSON, as text
/// otherwise. "" gives {}.
/// Throws: UsageError naming `where` for a part without '='.
nlohmann::json parse_options(const std::string& text, const std::string& where);

/// "NAME" or "NAME:key=value,…" as {"type": NAME, key: value, …}.
nlohmann::json parse_named_options(const std::string& text, const std::string& where);

/// The line such an object was read from, options in the order of their names.
std::string named_options_text(const nlohmann::json& named);
/// "key=value,key=value".
std::string options_text(const nlohmann::json& options);

/// The options of such an object, without its "type".
nlohmann::json options_of(nlohmann::json named);

}  // namespace equipoise
