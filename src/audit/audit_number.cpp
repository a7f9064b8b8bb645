#include "audit/audit_number.h"

namespace equipoise::audit {

nlohmann::ordered_json to_json(const AuditNumber& number) {
  nlohmann::ordered_json json{{"name", number.name}};
  json.update(metrics::to_json(number.interval));
  json["recipe"] = number.recipe;
  json["not_said"] = number.not_said;
  return json;
}

nlohmann::ordered_json to_json(const std::vector<AuditNumber>& numbers) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const AuditNumber& number : numbers) list.push_back(to_json(number));
  return list;
}

}  // namespace equipoise::audit
