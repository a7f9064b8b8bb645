#include "io/npy.h"

#include <cstdlib>
#include <filesystem>
#include <string>

#include <fmt/format.h>
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
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

const std::vector<at::ScalarType> kNumpyDtypes{at::kBool,  at::kByte,  at::kChar,
                                               at::kShort, at::kInt,   at::kLong,
                                               at::kHalf,  at::kFloat, at::kDouble};

std::string from_hex(std::string_view digits) {
  std::string bytes;
  for (size_t i = 0; i + 1 < digits.size(); i += 2)
    bytes.push_back(static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16)));
  return bytes;
}

// The next three: made by NumPy 1.24.2 (Python 3.11) with the call named above each.

// np.save(file, np.array([[1.5, -2, 0.25]], dtype='<f4'))
constexpr std::string_view kNumpyFloats =
    "934e554d5059010076007b276465736372273a20273c6634272c2027666f727472616e5f6f72646572273a2046616c"
    "73652c"
    "20277368617065273a2028312c2033292c207d20202020202020202020202020202020202020202020202020202020"
    "202020"
    "2020202020202020202020202020202020202020202020202020200a0000c03f000000c00000803e";
// np.save(file, np.asfortranarray(np.arange(6, dtype='>i2').reshape(2, 3)))
constexpr std::string_view kNumpyFortranBigEndian =
    "934e554d5059010076007b276465736372273a20273e6932272c2027666f727472616e5f6f72646572273a20547275"
    "652c20"
    "277368617065273a2028322c2033292c207d2020202020202020202020202020202020202020202020202020202020"
    "202020"
    "2020202020202020202020202020202020202020202020202020200a000000030001000400020005";
// np.savez_compressed(file, images=np.arange(12, dtype='u1').reshape(1, 2, 2, 3),
// labels=np.array([7]))
constexpr std::string_view kNumpyArchive =
    "504b0304140000000800000021006f567cd0550000008c0000000a001400696d616765732e6e7079010010008c0000"
    "000000"
    "000055000000000000009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a05e536aa8aea3a09e965f54529498179f"
    "5f9492"
    "0a12774bcc294e058a17672416a402f91a863a0a466064aca9a350ab4006e06260646266616563e7e0e4e20600504b"
    "030414"
    "000000080000002100b9937b9848000000880000000a0014006c6162656c732e6e7079010010008800000000000000"
    "480000"
    "00000000009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9369a1aea3a09e965f54529498179f5f94920a12"
    "774bcc"
    "294e058a17672416a402f91a863a9a3a0ab50a14002e7606080000504b01021403140000000800000021006f567cd0"
    "550000"
    "008c0000000a0000000000000000000000800100000000696d616765732e6e7079504b010214031400000008000000"
    "2100b9"
    "937b9848000000880000000a00000000000000000000008001910000006c6162656c732e6e7079504b050600000000"
    "020002"
    "0070000000150100000000";

/// An npy file of the given version around a header and values.
std::string npy(const std::string& header, const std::string& values, uint8_t version = 1) {
  std::string bytes = "\x93NUMPY";
  append_little_endian(bytes, version);
  append_little_endian(bytes, uint8_t{0});
  if (version == 1)
    append_little_endian(bytes, static_cast<uint16_t>(header.size()));
  else
    append_little_endian(bytes, static_cast<uint32_t>(header.size()));
  return bytes + header + values;
}

RC_GTEST_PROP(Npy, GivesBackWhatWasWritten, ()) {
  const ScratchFolder folder;
  const at::Tensor tensor = arbitrary_tensor(kNumpyDtypes);
  write_npy(folder / "x.npy", tensor);
  RC_ASSERT(is_identical(read_npy(folder / "x.npy"), tensor));
}

TEST(Npy, HasTheBytesNumpyWrites) {
  const ScratchFolder folder;
  write_npy(folder / "x.npy", at::tensor({1.5f, -2.0f, 0.25f}).reshape({1, 3}));
  EXPECT_EQ(read_file(folder / "x.npy"), from_hex(kNumpyFloats));
}

TEST(Npy, ReadsFortranOrderAndBigEndianValues) {
  const at::Tensor tensor = parse_npy(from_hex(kNumpyFortranBigEndian), "x");
  EXPECT_TRUE(tensor.equal(at::arange(6, at::kShort).reshape({2, 3}))) << tensor;
  EXPECT_TRUE(tensor.is_contiguous());
}

TEST(Npy, ReadsAllHeaderVersionsAndLayouts) {
  const at::Tensor expected = at::tensor({1, 2}, at::kByte);
  for (uint8_t version : {1, 2, 3}) {
    EXPECT_TRUE(
        parse_npy(npy("{'descr':'|u1','fortran_order':False,'shape':(2,)}", "\1\2", version), "x")
            .equal(expected));
    EXPECT_TRUE(
        parse_npy(npy("{\"shape\": (2, ), \"descr\": \"=u1\", \"fortran_order\": True, }  \n",
                      "\1\2", version),
                  "x")
            .equal(expected));
  }
  EXPECT_EQ(parse_npy(npy("{'descr': '|u1', 'fortran_order': False, 'shape': ()}", "\7"), "x")
                .item<int>(),
            7);
}

TEST(Npy, AcceptsStridedTensors) {
  const ScratchFolder folder;
  const at::Tensor transposed = at::arange(6).reshape({2, 3}).t();
  write_npy(folder / "x.npy", transposed);
  EXPECT_TRUE(read_npy(folder / "x.npy").equal(transposed));
}

TEST(Npy, CannotHoldBfloat16) {
  const ScratchFolder folder;
  EXPECT_THAT([&] { write_npy(folder / "x.npy", at::zeros({1}, at::kBFloat16)); },
              ThrowsMessage<UsageError>(HasSubstr("NumPy has no such dtype")));
}

void expect_refused(const std::string& bytes, const std::string& message) {
  EXPECT_THAT([&] { parse_npy(bytes, "x.npy"); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("[x.npy] "), HasSubstr(message))));
}

TEST(Npy, CountsWhatIsMissingOrLeftOver) {
  const std::string whole = from_hex(kNumpyFloats);
  for (size_t length = 0; length < whole.size(); ++length)
    EXPECT_THROW(parse_npy(whole.substr(0, length), "x.npy"), DataError) << length;
  expect_refused(whole.substr(0, 60), "the npy header is truncated");
  expect_refused(whole.substr(0, 139),
                 "the npy header says 1 x 3 of '<f4' = 12 bytes, the file holds 11");
  expect_refused(whole + "x", "the npy header says 1 x 3 of '<f4' = 12 bytes, the file holds 13");
}

TEST(Npy, RefusesWhatIsNotAnArrayOfNumbers) {
  expect_refused("PK\3\4 and more", "is not an npy array");
  expect_refused(npy("{}", "", 4), "npy version not supported: got 4");
  expect_refused(npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "x"),
                 "holds Python objects: got '|O'");
  expect_refused(npy("{'descr': '<U5', 'fortran_order': False, 'shape': (1,)}", "x"),
                 "dtype not supported: got '<U5'");
  expect_refused(npy("{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", "x"),
                 "dtype not supported: got '<c8'");
  expect_refused(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "x"),
                 "structured npy array");
}

TEST(Npy, RefusesADamagedHeader) {
  for (const char* header :
       {"", "{", "{}", "x", "{'descr': '|u1'", "{'descr': '|u1', 'fortran_order': False}",
        "{'descr': '|u1', 'fortran_order': 0, 'shape': (1,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': 1}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1",
        "{'descr': '|u1', 'fortran_order': False, 'size': (1,)}",
        "{'descr': '', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': 'u1, 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,)}"})
    expect_refused(npy(header, "\1"), "damaged npy header");
}

TEST(Npy, RefusesSizesBeyondAllMemory) {
  expect_refused(
      npy("{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 4)}", ""),
      "over 2^63");
}

TEST(Npz, ReadsWhatNumpyWrote) {
  const ScratchFolder folder;
  write_file_atomically(folder / "x.npz", from_hex(kNumpyArchive));
  const auto arrays = read_npz(folder / "x.npz");
  ASSERT_EQ(arrays.size(), 2);
  EXPECT_TRUE(arrays.at("images").equal(at::arange(12, at::kByte).reshape({1, 2, 2, 3})));
  EXPECT_TRUE(arrays.at("labels").equal(at::tensor({7}, at::kLong)));
}

TEST(Npz, ReadsOneArrayAtATime) {
  const ScratchFolder folder;
  write_npz(folder / "x.npz", {{"second", at::ones({2})}, {"first", at::zeros({3}, at::kBool)}});
  const NpzReader reader(folder / "x.npz");
  EXPECT_THAT(reader.names(), ElementsAre("second", "first"));
  EXPECT_TRUE(reader.contains("first"));
  EXPECT_FALSE(reader.contains("third"));
  EXPECT_TRUE(is_identical(reader.read("first"), at::zeros({3}, at::kBool)));
  EXPECT_THAT([&] { reader.read("third"); },
              ThrowsMessage<DataError>(
                  HasSubstr("x.npz] there is no array 'third': expected one of second, first")));
}

RC_GTEST_PROP(Npz, HasTheSameBytesForTheSameArrays, ()) {
  const ScratchFolder folder;
  const std::vector<std::pair<std::string, at::Tensor>> arrays{
      {"b", arbitrary_tensor(kNumpyDtypes)}, {"a", arbitrary_tensor(kNumpyDtypes)}};
  write_npz(folder / "1.npz", arrays);
  write_npz(folder / "2.npz", arrays);
  RC_ASSERT(read_file(folder / "1.npz") == read_file(folder / "2.npz"));
  const auto read = read_npz(folder / "1.npz");
  for (const auto& [name, tensor] : arrays) RC_ASSERT(is_identical(read.at(name), tensor));
}

TEST(Npz, NamesTheArrayThatIsDamaged) {
  const ScratchFolder folder;
  ZipWriter zip(folder / "x.npz");
  zip.add("images.npy", "nothing");
  zip.finish();
  EXPECT_THAT([&] { read_npz(folder / "x.npz"); },
              ThrowsMessage<DataError>(HasSubstr("x.npz: images] is not an npy array")));
  EXPECT_THAT(
      [&] {
        write_npz(folder / "y.npz", {{"a", at::ones({1})}, {"a", at::ones({1})}});
      },
      ThrowsMessage<UsageError>(HasSubstr("already has an entry 'a.npy'")));
}

// Debian's, which has Debian's numpy, before any other of the same name.
const std::string kPython =
    std::filesystem::exists("/usr/bin/python3") ? "/usr/bin/python3" : "python3";

class Numpy : public testing::Test {
 protected:
  void SetUp() override {
    if (std::system((kPython + " -c 'import numpy' 2> /dev/null").c_str()) != 0)
      GTEST_SKIP() << "python3 with numpy is not installed";
  }
  /// Runs a program in which `np` and `folder` are known.
  void run(const std::string& program) const {
    write_file_atomically(
        folder_ / "program.py",
        fmt::format("import numpy as np\nfolder = '{}/'\n{}\n", folder_.path().string(), program));
    ASSERT_EQ(std::system((kPython + " " + (folder_ / "program.py").string()).c_str()), 0);
  }
  ScratchFolder folder_;
};

TEST_F(Numpy, ReadsOurArchives) {
  write_npz(folder_ / "x.npz", {{"images", at::arange(12, at::kByte).reshape({1, 2, 2, 3})},
                                {"scalar", at::scalar_tensor(2.5, at::kDouble)},
                                {"half", at::tensor({1.5f, -0.5f}).to(at::kHalf)},
                                {"flags", at::tensor({1, 0, 1}).to(at::kBool)},
                                {"none", at::empty({0, 3})}});
  run(R"(
arrays = np.load(folder + 'x.npz')
assert arrays.files == ['images', 'scalar', 'half', 'flags', 'none'], arrays.files
assert arrays['images'].dtype == np.uint8 and (arrays['images'] == np.arange(12).reshape(1, 2, 2, 3)).all()
assert arrays['scalar'].dtype == np.float64 and arrays['scalar'].shape == () and arrays['scalar'] == 2.5
assert arrays['half'].dtype == np.float16 and list(arrays['half']) == [1.5, -0.5]
assert arrays['flags'].dtype == bool and list(arrays['flags']) == [True, False, True]
assert arrays['none'].dtype == np.float32 and arrays['none'].shape == (0, 3))");
}

TEST_F(Numpy, WritesArchivesWeRead) {
  run(R"(
np.savez(folder + 'x.npz', a=np.arange(6, dtype='<i4').reshape(2, 3).T, b=np.array(True), c=np.float32([np.inf, 1]))
np.savez_compressed(folder + 'y.npz', np.zeros((10, 32, 32, 3), 'u1') + 7))");
  const auto stored = read_npz(folder_ / "x.npz");
  EXPECT_TRUE(
      is_identical(stored.at("a"), at::arange(6, at::kInt).reshape({2, 3}).t().contiguous()));
  EXPECT_TRUE(is_identical(stored.at("b"), at::scalar_tensor(true, at::kBool)));
  EXPECT_TRUE(is_identical(stored.at("c"), at::tensor({INFINITY, 1.0f})));
  EXPECT_TRUE(is_identical(read_npz(folder_ / "y.npz").at("arr_0"),
                           at::full({10, 32, 32, 3}, 7, at::kByte)));
}

}  // namespace
}  // namespace equipoise::io
