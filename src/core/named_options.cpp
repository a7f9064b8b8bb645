#include "core/named_options.h"

#include <sstream>

#include "core/error.h"

namespace equipoise {

nlohmann::json parse_options(const std::string& text, const std::string& where) {
  nlohmann::json options = nlohmann::json::object();
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    const size_t equals = part.find('=');
    if (equals == std::string::npos || equals == 0)
      throw UsageError({.where = where,
                        .what = "not an option",
                        .got = "'" + part + "'",
                        .expected = "key=value,key=value",
                        .hint = ""});
    const std::string value = part.substr(equals + 1);
    const nlohmann::json parsed = nlohmann::json::parse(value, nullptr, /*allow_exceptions=*/false);
    options[part.substr(0, equals)] = parsed.is_discarded() ? nlohmann::json(value) : parsed;
  }
  return options;
}

nlohmann::json parse_named_options(const std::string& text, const std::string& where) {
  const size_t colon = text.find(':');
  nlohmann::json named = colon == std::string::npos ? nlohmann::json::object()
                                                    : parse_options(text.substr(colon + 1), where);
  named["type"] = text.substr(0, colon);
  return named;
}

std::string options_text(const nlohmann::json& options) {
  std::string text;
  for (const auto& [key, value] : options.items())
    text += (text.empty() ? "" : ",") + key + "=" +
            (value.is_string() ? value.get<std::string>() : value.dump());
  return text;
}

std::string named_options_text(const nlohmann::json& named) {
  const std::string options = options_text(options_of(named));
  return named.at("type").get<std::string>() + (options.empty() ? "" : ":" + options);
}

nlohmann::json options_of(nlohmann::json named) {
  named.erase("type");
  return named;
}

}  // namespace equipoise
