#include "io/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/error.h"
#include "io/arbitrary_tensor.h"
#include "io/byte_order.h"
#include "io/files.h"
#include "io/scratch_folder.h"

namespace equipoise::io {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;
using namespace std::string_view_literals;

std::string with_length(const std::string& header, std::string_view data) {
  std::string bytes;
  append_little_endian<uint64_t>(bytes, header.size());
  return bytes + header + std::string(data);
}

RC_GTEST_PROP(Safetensors, GiveBackWhatWasWritten, ()) {
  const std::vector<at::ScalarType> dtypes{at::kHalf, at::kBFloat16, at::kFloat, at::kDouble,
                                           at::kChar, at::kByte,     at::kShort, at::kInt,
                                           at::kLong, at::kBool};
  const ScratchFolder folder;
  std::map<std::string, at::Tensor> tensors;
  const size_t count = *rc::gen::inRange<size_t>(0, 5);
  for (size_t i = 0; i < count; ++i)
    tensors["tensor " + std::to_string(i)] = arbitrary_tensor(dtypes);
  const std::map<std::string, std::string> metadata{{"format", "pt"}, {"quote \"", "new\nline ü"}};
  write_safetensors(folder / "x", tensors, metadata);

  const SafetensorsFile file = read_safetensors(folder / "x");
  RC_ASSERT(file.metadata == metadata);
  RC_ASSERT(file.tensors.size() == tensors.size());
  for (const auto& [name, tensor] : tensors) RC_ASSERT(is_identical(file.tensors.at(name), tensor));
}

TEST(Safetensors, HaveTheBytesTheFormatAsksFor) {
  const ScratchFolder folder;
  // "b" is wider than "a" and so comes first in the data.
  write_safetensors(folder / "x", {{"a", at::tensor({7, 8}, at::kByte)}, {"b", at::tensor({1.0f})}},
                    {{"k", "v"}});
  const std::string header =
      R"({"__metadata__":{"k":"v"},"a":{"data_offsets":[4,6],"dtype":"U8","shape":[2]},)"
      R"("b":{"data_offsets":[0,4],"dtype":"F32","shape":[1]}})";
  const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  EXPECT_EQ(read_file(folder / "x"), with_length(padded, "\x00\x00\x80\x3f\x07\x08"sv));
}

TEST(Safetensors, AcceptStridedTensors) {
  const ScratchFolder folder;
  const at::Tensor transposed = at::arange(6).reshape({2, 3}).t();
  write_safetensors(folder / "x", {{"t", transposed}});
  EXPECT_TRUE(read_safetensors(folder / "x").tensors.at("t").equal(transposed));
}

TEST(Safetensors, HaveTheirOwnMemory) {
  const ScratchFolder folder;
  write_safetensors(folder / "x", {{"t", at::zeros({3})}});
  SafetensorsFile file = read_safetensors(folder / "x");
  file.tensors.at("t").fill_(5);
  EXPECT_TRUE(read_safetensors(folder / "x").tensors.at("t").equal(at::zeros({3})));
}

TEST(Safetensors, CannotHoldSomeTensors) {
  const ScratchFolder folder;
  EXPECT_THAT(
      [&] {
        write_safetensors(folder / "x", {{"c", at::zeros({1}, at::kComplexFloat)}});
      },
      ThrowsMessage<UsageError>(HasSubstr("[c]")));
  EXPECT_THAT(
      [&] {
        write_safetensors(folder / "x", {{"__metadata__", at::zeros({1})}});
      },
      ThrowsMessage<UsageError>(HasSubstr("reserved")));
  EXPECT_THAT(
      [&] {
        write_safetensors(folder / "x", {{"\xff", at::zeros({1})}});
      },
      ThrowsMessage<UsageError>(HasSubstr("UTF-8")));
  EXPECT_FALSE(std::filesystem::exists(folder / "x"));
}

struct Hostile {
  std::string title;
  std::string bytes;
  std::string message;
};
void PrintTo(const Hostile& hostile, std::ostream* out) {
  *out << hostile.title;
}

std::vector<Hostile> hostile_files() {
  const auto one = [](const std::string& entry, size_t data_size) {
    return with_length("{\"t\":" + entry + "}", std::string(data_size, '\0'));
  };
  const auto two = [](const std::string& first, const std::string& second) {
    const auto entry = [](const std::string& offsets) {
      return R"({"dtype":"U8","shape":[4],"data_offsets":)" + offsets + "}";
    };
    return with_length(R"({"t":)" + entry(first) + R"(,"u":)" + entry(second) + "}",
                       std::string(8, '\0'));
  };
  return {
      {"Empty", "", "too short"},
      {"ShorterThanItsLength", "\x01\x02\x03", "too short"},
      {"HeaderLongerThanFile", std::string("\x20\0\0\0\0\0\0\0{}", 10),
       "longer than the file: got 2 bytes of 32"},
      {"HeaderOver100MB", std::string("\x01\xe1\xf5\x05\0\0\0\0{}", 10),
       "too long: got 100000001 bytes"},
      {"HeaderOf2To63", std::string("\0\0\0\0\0\0\0\x80{}", 10), "too long"},
      {"NoJson", with_length("{\"t\"", ""), "not valid JSON"},
      {"NotAnObject", with_length("[1]", ""), "not a JSON object"},
      {"EntryNotAnObject", one("3", 0), "gives no 'dtype'"},
      {"NameTwice",
       with_length(R"({"t":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"t":{}})", ""),
       "\"t\" appears twice"},
      {"NoShape", one(R"({"dtype":"F32","data_offsets":[0,4]})", 4), "gives no 'shape'"},
      {"UnknownDtype", one(R"({"dtype":"F8","shape":[1],"data_offsets":[0,1]})", 1),
       "unknown dtype: got \"F8\""},
      {"DtypeNotText", one(R"({"dtype":3,"shape":[1],"data_offsets":[0,1]})", 1),
       "unknown dtype: got 3"},
      {"NegativeShape", one(R"({"dtype":"U8","shape":[-1],"data_offsets":[0,1]})", 1),
       "damaged shape: got [-1]"},
      {"FractionalShape", one(R"({"dtype":"U8","shape":[1.5],"data_offsets":[0,1]})", 1),
       "damaged shape"},
      {"OneOffset", one(R"({"dtype":"U8","shape":[1],"data_offsets":[0]})", 1),
       "damaged data_offsets"},
      {"OffsetsBackwards", one(R"({"dtype":"U8","shape":[1],"data_offsets":[1,0]})", 1),
       "damaged data_offsets"},
      {"ShapeOtherThanOffsets", one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})", 4),
       "does not fill"},
      {"ShapeOverflows",
       one(R"({"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]})", 0),
       "does not fill"},
      {"EmptyShapeOverflows",
       one(R"({"dtype":"F32","shape":[4611686018427387904,4,0],"data_offsets":[0,0]})", 0),
       "does not fill"},
      {"DataTruncated", one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})", 7), "truncated"},
      {"DataLeftOver", one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})", 9),
       "bytes follow the last tensor"},
      {"Overlap", two("[0,4]", "[2,6]"),
       "u] the tensor overlaps another: got offset 2, expected 4"},
      {"Gap", two("[0,4]", "[5,9]"), "u] unused bytes lie before the tensor"},
      {"MetadataNotText", with_length(R"({"__metadata__":{"a":1}})", ""),
       "__metadata__ is not an object of strings"},
      {"MetadataNotAnObject", with_length(R"({"__metadata__":"a"})", ""), "__metadata__ is not"},
  };
}

class HostileSafetensors : public testing::TestWithParam<Hostile> {};

TEST_P(HostileSafetensors, AreRefused) {
  const ScratchFolder folder;
  write_file_atomically(folder / "model", GetParam().bytes);
  EXPECT_THAT([&] { read_safetensors(folder / "model"); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("/model"), HasSubstr(GetParam().message))));
}

INSTANTIATE_TEST_SUITE_P(Files, HostileSafetensors, testing::ValuesIn(hostile_files()),
                         [](const auto& info) { return info.param.title; });

}  // namespace
}  // namespace equipoise::io
