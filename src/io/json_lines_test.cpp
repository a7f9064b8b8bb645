#include "io/json_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "io/files.h"
#include "io/scratch_folder.h"

namespace equipoise::io {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(ParseJson, ReturnsTheValue) {
  EXPECT_EQ(parse_json(R"({"a": [1, {"a": null}], "b": {"a": "x"}})", "x"),
            nlohmann::json({{"a", {1, {{"a", nullptr}}}}, {"b", {{"a", "x"}}}}));
}

TEST(ParseJson, SaysWhereTheTextIsWrong) {
  EXPECT_THAT(
      [] { parse_json("{\"a\":\n 1,}", "results.json"); },
      ThrowsMessage<DataError>(AllOf(HasSubstr("[results.json] is not valid JSON"),
                                     HasSubstr("line 2"), Not(HasSubstr("json.exception")))));
  EXPECT_THROW(parse_json("", "x"), DataError);
  EXPECT_THROW(parse_json("{} {}", "x"), DataError);
  EXPECT_THROW(parse_json("\"\xff\"", "x"), DataError);
}

TEST(ParseJson, RefusesAKeyNamedTwice) {
  EXPECT_THAT([] { parse_json(R"([{"k": {"a": 1, "b": 2, "a": 3}}])", "x"); },
              ThrowsMessage<DataError>(HasSubstr("[x] the key \"a\" appears twice")));
}

TEST(ReadJson, NamesTheFile) {
  const ScratchFolder folder;
  write_file_atomically(folder / "x.json", "[1,");
  EXPECT_THAT([&] { read_json(folder / "x.json"); },
              ThrowsMessage<DataError>(HasSubstr("/x.json]")));
}

class ReadJsonLines : public testing::Test {
 protected:
  std::vector<nlohmann::json> read(const std::string& text,
                                   LastLine last_line = LastLine::kMustBeWhole) const {
    write_file_atomically(folder_ / "x.jsonl", text);
    return read_json_lines(folder_ / "x.jsonl", last_line);
  }

 private:
  ScratchFolder folder_;
};

TEST_F(ReadJsonLines, ReturnsOneObjectALine) {
  const std::vector<nlohmann::json> expected{{{"a", 1}}, {{"a", 2}}};
  EXPECT_EQ(read("{\"a\": 1}\n\n{\"a\": 2}\n"), expected);
  EXPECT_EQ(read("{\"a\": 1}\r\n{\"a\": 2}"), expected);
  EXPECT_TRUE(read("").empty());
}

TEST_F(ReadJsonLines, NamesTheLine) {
  EXPECT_THAT([&] { read("{}\n\n{\n"); },
              ThrowsMessage<DataError>(HasSubstr("/x.jsonl:3] is not valid JSON")));
  EXPECT_THAT(
      [&] { read("{}\n[]\n"); },
      ThrowsMessage<DataError>(HasSubstr("/x.jsonl:2] the line is not a JSON object: got array")));
}

TEST_F(ReadJsonLines, LeavesOutATornLastLineOnlyWhenAllowed) {
  const std::vector<nlohmann::json> expected{{{"a", 1}}};
  EXPECT_EQ(read("{\"a\": 1}\n{\"a\"", LastLine::kMayBeTorn), expected);
  EXPECT_THROW(read("{\"a\": 1}\n{\"a\""), DataError);
  EXPECT_THROW(read("{\"a\": 1}\n{\"a\"\n", LastLine::kMayBeTorn), DataError)
      << "a whole line may not be damaged";
  EXPECT_EQ(read("{\"a\": 1}", LastLine::kMayBeTorn), expected);
}

}  // namespace
}  // namespace equipoise::io
