#include "io/npy.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>
#include <optional>

#include <fmt/ranges.h>

#include "core/check.h"
#include "core/error.h"
#include "io/byte_order.h"
#include "io/files.h"
#include "io/raw_tensor.h"

namespace equipoise::io {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kMagic = "\x93NUMPY"sv;
constexpr size_t kVersionEnd = 8;  // the magic and two bytes of version
constexpr size_t kAlignment = 64;
constexpr std::string_view kSuffix = ".npy";

constexpr std::array<std::pair<const char*, at::ScalarType>, 9> kDtypes{{
    {"b1", at::kBool},
    {"u1", at::kByte},
    {"i1", at::kChar},
    {"i2", at::kShort},
    {"i4", at::kInt},
    {"i8", at::kLong},
    {"f2", at::kHalf},
    {"f4", at::kFloat},
    {"f8", at::kDouble},
}};

struct Header {
  std::string descr;  // such as "<f4"
  bool is_fortran_order = false;
  std::vector<int64_t> shape;
};

/// Reads the Python literal {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }, keys in
/// any order.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& name)
      : text_(text), rest_(text), name_(name) {}

  Header parse() {
    Header header;
    int num_keys = 0;
    expect('{');
    while (!skip('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr") {
        header.descr = dtype();
      } else if (key == "fortran_order") {
        header.is_fortran_order = boolean();
      } else if (key == "shape") {
        header.shape = tuple();
      } else {
        fail();
      }
      ++num_keys;
      if (!skip(',')) {
        expect('}');
        break;
      }
    }
    if (num_keys != 3 || header.descr.empty()) fail();
    return header;
  }

 private:
  [[noreturn]] void fail() const {
    throw DataError({.where = name_,
                     .what = "damaged npy header",
                     .got = std::string(text_.substr(0, text_.find('\n')).substr(0, 200)),
                     .expected = "descr, fortran_order and shape"});
  }
  bool skip(char wanted) {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \n"), rest_.size()));
    if (!rest_.starts_with(wanted)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char wanted) {
    if (!skip(wanted)) fail();
  }
  std::string quoted() {
    const char quote = skip('"') ? '"' : '\'';
    if (quote == '\'') expect(quote);
    const size_t end = rest_.find(quote);
    if (end == rest_.npos) fail();
    std::string value(rest_.substr(0, end));
    rest_.remove_prefix(end + 1);
    return value;
  }
  std::string dtype() {
    if (!skip('[')) return quoted();
    throw DataError({.where = name_,
                     .what = "a structured npy array is not supported",
                     .expected = "one number a value",
                     .hint = "Save each field as its own array"});
  }
  bool boolean() {
    skip(' ');
    for (const auto& [word, value] : {std::pair{"True"sv, true}, std::pair{"False"sv, false}})
      if (rest_.starts_with(word)) {
        rest_.remove_prefix(word.size());
        return value;
      }
    fail();
  }
  std::vector<int64_t> tuple() {
    std::vector<int64_t> sizes;
    expect('(');
    while (!skip(')')) {
      int64_t size = -1;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), size);
      if (error != std::errc() || size < 0) fail();
      rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
      sizes.push_back(size);
      if (!skip(',')) {
        expect(')');
        break;
      }
    }
    return sizes;
  }

  std::string_view text_;
  std::string_view rest_;
  const std::string& name_;
};

/// The header's text; `bytes` is left at the values.
std::string_view take_header(std::string_view& bytes, const std::string& name) {
  if (!bytes.starts_with(kMagic) || bytes.size() < kVersionEnd)
    throw DataError(
        {.where = name, .what = "is not an npy array: it does not begin with \\x93NUMPY"});
  const int version = bytes[kMagic.size()];
  if (version < 1 || version > 3)
    throw DataError({.where = name,
                     .what = "npy version not supported",
                     .got = std::to_string(version),
                     .expected = "1, 2 or 3"});
  const size_t length_size = version == 1 ? 2 : 4;
  const size_t begin = kVersionEnd + length_size;
  const bool has_length = bytes.size() >= begin;
  const size_t length = !has_length    ? 0
                        : version == 1 ? read_little_endian<uint16_t>(bytes, kVersionEnd)
                                       : read_little_endian<uint32_t>(bytes, kVersionEnd);
  if (!has_length || length > bytes.size() - begin)
    throw DataError({.where = name, .what = "the npy header is truncated"});
  const std::string_view header = bytes.substr(begin, length);
  bytes.remove_prefix(begin + length);
  return header;
}

at::ScalarType parse_dtype(const std::string& descr, const std::string& name) {
  std::vector<std::string> known;
  for (const auto& [code, dtype] : kDtypes) {
    if ("<>|="sv.find(descr[0]) != ""sv.npos && descr.substr(1) == code) return dtype;
    known.push_back(code);
  }
  const bool is_object = descr.ends_with('O');
  throw DataError(
      {.where = name,
       .what = is_object ? "the npy array holds Python objects" : "npy dtype not supported",
       .got = "'" + descr + "'",
       .expected = fmt::format("one of {}", fmt::join(known, " ")),
       .hint = "Save it with .astype(...) of one of these"});
}

std::string swap_bytes(std::string_view values, size_t value_size) {
  std::string swapped(values);
  for (auto value = swapped.begin(); value != swapped.end();
       value += static_cast<ptrdiff_t>(value_size))
    std::reverse(value, value + static_cast<ptrdiff_t>(value_size));
  return swapped;
}

/// Everything before the values. Version 1 suffices: its 65535 bytes hold thousands of dimensions.
std::string npy_header(const at::Tensor& tensor, const std::string& name) {
  const auto found = std::find_if(kDtypes.begin(), kDtypes.end(), [&](const auto& known) {
    return known.second == tensor.scalar_type();
  });
  if (found == kDtypes.end())
    throw UsageError({.where = name, .what = "NumPy has no such dtype", .got = describe(tensor)});
  const char order = tensor.element_size() == 1 ? '|' : '<';
  // A tuple of one is written (3,).
  std::string text =
      fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': ({}{}), }}", order,
                  found->first, fmt::join(tensor.sizes(), ", "), tensor.dim() == 1 ? "," : "");
  const size_t begin = kVersionEnd + sizeof(uint16_t);
  const size_t total = (begin + text.size() + 1 + kAlignment - 1) / kAlignment * kAlignment;
  text.resize(total - begin - 1, ' ');
  text += '\n';
  std::string header(kMagic);
  header += "\x01\x00"sv;
  append_little_endian(header, static_cast<uint16_t>(text.size()));
  return header + text;
}

}  // namespace

at::Tensor parse_npy(std::string_view bytes, const std::string& name) {
  std::string_view values = bytes;
  Header header = HeaderParser(take_header(values, name), name).parse();
  const at::ScalarType dtype = parse_dtype(header.descr, name);
  const std::optional<uint64_t> declared = num_bytes(header.shape, dtype);
  if (declared != values.size())
    throw DataError(
        {.where = name,
         .what = fmt::format("the npy header says {} of '{}' = {} bytes, the file holds {}",
                             shape_text(header.shape), header.descr,
                             declared ? std::to_string(*declared) : "over 2^63", values.size())});
  std::string swapped;
  if (header.descr[0] == '>') values = swapped = swap_bytes(values, c10::elementSize(dtype));
  if (!header.is_fortran_order) return tensor_from_bytes(values, header.shape, dtype);
  // Fortran order is C order of the reversed shape.
  std::vector<int64_t> reversed_axes(header.shape.size());
  std::iota(reversed_axes.rbegin(), reversed_axes.rend(), 0);
  std::reverse(header.shape.begin(), header.shape.end());
  return tensor_from_bytes(values, header.shape, dtype).permute(reversed_axes).contiguous();
}

at::Tensor read_npy(const std::filesystem::path& path) {
  const MappedFile file(path);
  return parse_npy(file.bytes(), path.string());
}

void write_npy(const std::filesystem::path& path, const at::Tensor& tensor) {
  const at::Tensor values = contiguous_on_cpu(tensor);
  const std::string header = npy_header(values, path.string());
  AtomicFile file(path);
  file.write(header);
  file.write(bytes_of(values));
  file.commit();
}

std::vector<std::string> NpzReader::names() const {
  std::vector<std::string> names;
  for (const ZipEntry& entry : zip_.entries())
    if (entry.name.ends_with(kSuffix))
      names.push_back(entry.name.substr(0, entry.name.size() - kSuffix.size()));
  return names;
}

at::Tensor NpzReader::read(const std::string& name) const {
  if (!contains(name))
    throw DataError({.where = zip_.path().string(),
                     .what = fmt::format("there is no array '{}'", name),
                     .expected = fmt::format("one of {}", fmt::join(names(), ", "))});
  return parse_npy(zip_.read(name + std::string(kSuffix)), zip_.path().string() + ": " + name);
}

std::map<std::string, at::Tensor> read_npz(const std::filesystem::path& path) {
  const NpzReader reader(path);
  std::map<std::string, at::Tensor> arrays;
  for (const std::string& name : reader.names()) arrays[name] = reader.read(name);
  return arrays;
}

void write_npz(const std::filesystem::path& path,
               const std::vector<std::pair<std::string, at::Tensor>>& arrays) {
  ZipWriter zip(path);
  for (const auto& [name, tensor] : arrays) {
    const at::Tensor values = contiguous_on_cpu(tensor);
    zip.add(name + std::string(kSuffix), {npy_header(values, name), bytes_of(values)});
  }
  zip.finish();
}

}  // namespace equipoise::io
