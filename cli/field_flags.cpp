#include "field_flags.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace equipoise::cli {

std::string FieldFlags::flag_name(const FieldInfo& info) const {
  std::string name = "--" + prefix_;
  for (const std::string& table : tables_) name += table + "-";
  name += info.name;
  std::ranges::replace(name, '_', '-');
  return name;
}

nlohmann::json::json_pointer FieldFlags::place(const FieldInfo& info) const {
  nlohmann::json::json_pointer pointer;
  for (const std::string& table : tables_) pointer /= table;
  return pointer / info.name;
}

void FieldFlags::describe(CLI::Option& option, const FieldInfo& info,
                          const std::string& default_text) {
  option.group(group_);
  if (!default_text.empty()) option.default_str(default_text);
  if (!info.choices.empty()) option.type_name(fmt::format("{}", fmt::join(info.choices, "|")));
}

template <class T>
void FieldFlags::add_flag(const FieldInfo& info, const T& value) {
  CLI::Option* option = command_.add_option_function<T>(
      flag_name(info), [given = given_, at = place(info)](const T& read) { (*given)[at] = read; },
      info.help);
  describe(*option, info, fmt::format("{}", value));
}

template <class T>
void FieldFlags::add_list(const FieldInfo& info, const std::vector<T>& value) {
  const std::string flag = flag_name(info);
  const auto read_list = [given = given_, at = place(info), flag](const std::string& text) {
    nlohmann::json list = nlohmann::json::array();
    for (const std::string& item : CLI::detail::split(text, ',')) {
      T read{};
      if (!CLI::detail::lexical_cast(item, read)) throw CLI::ConversionError(item, flag);
      list.push_back(read);
    }
    (*given)[at] = list;
  };
  CLI::Option* option = command_.add_option_function<std::string>(flag, read_list, info.help);
  option->type_name("A,B,...");
  describe(*option, info, fmt::format("{}", fmt::join(value, ",")));
}

void FieldFlags::visit(const FieldInfo& info, bool& value) {
  add_flag(info, value);
}
void FieldFlags::visit(const FieldInfo& info, int64_t& value) {
  add_flag(info, value);
}
void FieldFlags::visit(const FieldInfo& info, double& value) {
  add_flag(info, value);
}
void FieldFlags::visit(const FieldInfo& info, std::string& value) {
  add_flag(info, value);
}
void FieldFlags::visit(const FieldInfo& info, std::vector<int64_t>& value) {
  add_list(info, value);
}
void FieldFlags::visit(const FieldInfo& info, std::vector<double>& value) {
  add_list(info, value);
}
void FieldFlags::visit(const FieldInfo& info, std::vector<std::string>& value) {
  add_list(info, value);
}

}  // namespace equipoise::cli
