#include "io/safetensors.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/error.h"
#include "io/byte_order.h"
#include "io/files.h"
#include "io/json_lines.h"
#include "io/raw_tensor.h"

namespace equipoise::io {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit
constexpr size_t kLengthBytes = 8;
constexpr const char* kMetadataKey = "__metadata__";

constexpr std::array<std::pair<const char*, at::ScalarType>, 10> kDtypes{{
    {"BF16", at::kBFloat16},
    {"BOOL", at::kBool},
    {"F16", at::kHalf},
    {"F32", at::kFloat},
    {"F64", at::kDouble},
    {"I16", at::kShort},
    {"I32", at::kInt},
    {"I64", at::kLong},
    {"I8", at::kChar},
    {"U8", at::kByte},
}};

/// What the header says of one tensor; `begin` and `end` count from the start of the data.
struct Entry {
  std::string name;
  at::ScalarType dtype;
  std::vector<int64_t> shape;
  uint64_t begin = 0;
  uint64_t end = 0;
};

/// A JSON array of whole numbers from 0 to 2^63 - 1.
std::optional<std::vector<int64_t>> whole_numbers(const Json& json) {
  if (!json.is_array()) return std::nullopt;
  std::vector<int64_t> numbers;
  for (const Json& item : json) {
    const bool is_whole =
        item.is_number_unsigned() &&
        item.get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    if (!is_whole) return std::nullopt;
    numbers.push_back(item.get<int64_t>());
  }
  return numbers;
}

at::ScalarType parse_dtype(const Json& json, const std::string& where) {
  std::vector<std::string> known;
  for (const auto& [name, dtype] : kDtypes) {
    if (json == name) return dtype;
    known.push_back(name);
  }
  throw DataError({.where = where,
                   .what = "unknown dtype",
                   .got = json.dump(),
                   .expected = fmt::format("one of {}", fmt::join(known, " "))});
}

/// Checks everything but where the tensor lies among the others.
Entry parse_entry(const std::string& name, const Json& json, const std::string& where) {
  for (const char* key : {"dtype", "shape", "data_offsets"})
    if (!json.is_object() || !json.contains(key))
      throw DataError({.where = where, .what = fmt::format("the header gives no '{}'", key)});
  const at::ScalarType dtype = parse_dtype(json["dtype"], where);
  const auto shape = whole_numbers(json["shape"]);
  const auto offsets = whole_numbers(json["data_offsets"]);
  if (!shape)
    throw DataError({.where = where,
                     .what = "damaged shape",
                     .got = json["shape"].dump(),
                     .expected = "whole numbers"});
  if (!offsets || offsets->size() != 2 || offsets->front() > offsets->back())
    throw DataError({.where = where,
                     .what = "damaged data_offsets",
                     .got = json["data_offsets"].dump(),
                     .expected = "[begin, end]"});
  Entry entry{name, dtype, *shape, static_cast<uint64_t>(offsets->front()),
              static_cast<uint64_t>(offsets->back())};
  if (num_bytes(*shape, dtype) != entry.end - entry.begin)
    throw DataError(
        {.where = where,
         .what = fmt::format("shape {} of {} does not fill data_offsets {}", json["shape"].dump(),
                             json["dtype"].dump(), json["data_offsets"].dump())});
  return entry;
}

std::map<std::string, std::string> parse_metadata(const Json& json, const std::string& where) {
  std::map<std::string, std::string> metadata;
  const bool is_text = json.is_object() && std::all_of(json.begin(), json.end(),
                                                       [](const Json& v) { return v.is_string(); });
  if (!is_text)
    throw DataError({.where = where, .what = "__metadata__ is not an object of strings"});
  for (const auto& [key, value] : json.items()) metadata[key] = value.get<std::string>();
  return metadata;
}

/// The JSON between the length and the data.
std::string_view header_text(std::string_view file, const std::string& where) {
  if (file.size() < kLengthBytes)
    throw DataError({.where = where,
                     .what = "is too short for a safetensors file",
                     .got = fmt::format("{} bytes", file.size())});
  const uint64_t length = read_little_endian<uint64_t>(file);
  if (length > kMaxHeaderBytes)
    throw DataError({.where = where,
                     .what = "the safetensors header is too long",
                     .got = fmt::format("{} bytes", length),
                     .expected = fmt::format("at most {}", kMaxHeaderBytes),
                     .hint = "Is this a safetensors file?"});
  if (length > file.size() - kLengthBytes)
    throw DataError({.where = where,
                     .what = "the safetensors header is longer than the file",
                     .got = fmt::format("{} bytes of {}", file.size() - kLengthBytes, length)});
  return file.substr(kLengthBytes, length);
}

/// The tensors' ranges must follow one another from the first byte of the data to its last.
void check_layout(std::vector<Entry> entries, uint64_t data_size, const std::string& where) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
  uint64_t position = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != position)
      throw DataError({.where = where + ": " + entry.name,
                       .what = entry.begin < position ? "the tensor overlaps another"
                                                      : "unused bytes lie before the tensor",
                       .got = fmt::format("offset {}", entry.begin),
                       .expected = std::to_string(position)});
    position = entry.end;
  }
  if (position != data_size)
    throw DataError(
        {.where = where,
         .what = position > data_size ? "the file is truncated" : "bytes follow the last tensor",
         .got = fmt::format("{} bytes of data", data_size),
         .expected = std::to_string(position)});
}

const char* dtype_name(const at::Tensor& tensor, const std::string& tensor_name) {
  for (const auto& [name, dtype] : kDtypes)
    if (tensor.scalar_type() == dtype) return name;
  throw UsageError({.where = tensor_name,
                    .what = "safetensors cannot hold this tensor",
                    .got = describe(tensor)});
}

struct NamedTensor {
  std::string name;
  at::Tensor tensor;
};

/// Widest first keeps every tensor aligned; the map has already sorted the names.
std::vector<NamedTensor> in_file_order(const std::map<std::string, at::Tensor>& tensors) {
  std::vector<NamedTensor> ordered;
  for (const auto& [name, tensor] : tensors) {
    if (name == kMetadataKey)
      throw UsageError({.where = name, .what = "this name is reserved by the safetensors format"});
    ordered.push_back({name, contiguous_on_cpu(tensor)});
  }
  std::stable_sort(ordered.begin(), ordered.end(), [](const NamedTensor& a, const NamedTensor& b) {
    return a.tensor.element_size() > b.tensor.element_size();
  });
  return ordered;
}

std::string header_for(const std::vector<NamedTensor>& ordered,
                       const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header[kMetadataKey] = metadata;
  uint64_t offset = 0;
  for (const auto& [name, tensor] : ordered) {
    const uint64_t end = offset + tensor.nbytes();
    header[name] = {{"dtype", dtype_name(tensor, name)},
                    {"shape", tensor.sizes().vec()},
                    {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const Json::type_error&) {
    throw UsageError({.what = "a tensor's name or the metadata is not valid UTF-8"});
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace

SafetensorsFile read_safetensors(const std::filesystem::path& path) {
  const MappedFile mapped(path);
  const std::string where = path.string();
  const std::string_view text = header_text(mapped.bytes(), where);
  const std::string_view data = mapped.bytes().substr(kLengthBytes + text.size());
  const Json header = parse_json(text, where + ": header");
  if (!header.is_object())
    throw DataError({.where = where, .what = "the safetensors header is not a JSON object"});

  SafetensorsFile file;
  std::vector<Entry> entries;
  for (const auto& [name, json] : header.items()) {
    if (name == kMetadataKey)
      file.metadata = parse_metadata(json, where);
    else
      entries.push_back(parse_entry(name, json, where + ": " + name));
  }
  check_layout(entries, data.size(), where);
  for (const Entry& entry : entries)
    file.tensors[entry.name] = tensor_from_bytes(data.substr(entry.begin, entry.end - entry.begin),
                                                 entry.shape, entry.dtype);
  return file;
}

void write_safetensors(const std::filesystem::path& path,
                       const std::map<std::string, at::Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  const std::vector<NamedTensor> ordered = in_file_order(tensors);
  const std::string header = header_for(ordered, metadata);
  std::string length;
  append_little_endian<uint64_t>(length, header.size());

  AtomicFile file(path);
  file.write(length);
  file.write(header);
  for (const auto& [name, tensor] : ordered) file.write(bytes_of(tensor));
  file.commit();
}

}  // namespace equipoise::io
