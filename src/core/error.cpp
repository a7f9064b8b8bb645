#include "core/error.h"

#include <nlohmann/json.hpp>

namespace equipoise {

namespace {

void end_sentence(std::string& text) {
  if (!text.empty() && text.back() != '.' && text.back() != '?') text += ".";
}

}  // namespace

std::string to_text(const ErrorDetail& detail) {
  std::string text;
  if (!detail.where.empty()) text += "[" + detail.where + "] ";
  text += detail.what;
  if (!detail.got.empty()) text += ": got " + detail.got;
  if (!detail.expected.empty())
    text += (detail.got.empty() ? ": expected " : ", expected ") + detail.expected;
  end_sentence(text);
  if (!detail.hint.empty()) end_sentence(text += " " + detail.hint);
  return text;
}

Error::Error(std::string kind, int exit_code, ErrorDetail detail)
    : std::runtime_error(to_text(detail)),
      kind_(std::move(kind)),
      exit_code_(exit_code),
      detail_(std::move(detail)) {}

nlohmann::json Error::to_json() const {
  return {{"error", kind_},         {"where", detail_.where},       {"what", detail_.what},
          {"got", detail_.got},     {"expected", detail_.expected}, {"hint", detail_.hint},
          {"exit_code", exit_code_}};
}

}  // namespace equipoise
