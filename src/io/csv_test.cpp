#include "io/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/error.h"
#include "io/files.h"
#include "io/scratch_folder.h"

namespace equipoise::io {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

RC_GTEST_PROP(Csv, GivesBackWhatWasWritten, ()) {
  const auto num_columns = *rc::gen::inRange<size_t>(1, 4);
  const auto field =
      rc::gen::container<std::string>(rc::gen::element('a', ' ', ',', '"', '\n', '\r'));
  const auto record = rc::gen::container<std::vector<std::string>>(num_columns, field);
  const CsvTable table{*record, *rc::gen::container<std::vector<std::vector<std::string>>>(record)};
  RC_ASSERT(parse_csv(to_csv(table), "table") == table);
}

TEST(Csv, ReadsQuotedFieldsAndBothLineEnds) {
  const CsvTable table =
      parse_csv("\xef\xbb\xbfname,note\r\n\"a, b\",\"say \"\"hi\"\"\nthere\"\r\n\r\n,end", "table");
  EXPECT_THAT(table.header, ElementsAre("name", "note"));
  EXPECT_THAT(table.rows,
              ElementsAre(ElementsAre("a, b", "say \"hi\"\nthere"), ElementsAre("", "end")));
}

TEST(Csv, QuotesOnlyWhatNeedsIt) {
  EXPECT_EQ(to_csv({{"a", "b c"}, {{"1,2", "\""}, {"", ""}}}), "a,b c\n\"1,2\",\"\"\"\"\n,\n");
  EXPECT_EQ(to_csv({{"a"}, {{""}}}), "a\n\"\"\n");
}

TEST(Csv, NamesTheLineOfARaggedRow) {
  EXPECT_THAT(
      [] { parse_csv("a,b\n1,\"2\n3\"\n\n4\n", "table"); },
      ThrowsMessage<DataError>(HasSubstr("[table:5] the row has 1 fields and the header 2")));
}

TEST(Csv, NamesTheLineOfAQuoteOutOfPlace) {
  EXPECT_THAT([] { parse_csv("a,b\n1,\"2\n3\n", "table"); },
              ThrowsMessage<DataError>(
                  HasSubstr("[table:2] the quote opened on this line is never closed")));
  EXPECT_THAT([] { parse_csv("a,b\n\n1,x\"2\"\n", "table"); },
              ThrowsMessage<DataError>(HasSubstr("[table:3] a quote stands inside a field")));
  EXPECT_THAT(
      [] { parse_csv("a,b\n\"1\"x,2\n", "table"); },
      ThrowsMessage<DataError>(HasSubstr("[table:2] a closing quote is followed by more text")));
}

TEST(Csv, NeedsAHeader) {
  EXPECT_THAT([] { parse_csv("\n", "table"); },
              ThrowsMessage<DataError>(HasSubstr("expected a header line")));
}

TEST(Csv, FindsColumnsByName) {
  const CsvTable table{{"name", "age"}, {}};
  EXPECT_EQ(column_index(table, "age", "table"), 1);
  EXPECT_THAT([&] { column_index(table, "Age", "table"); },
              ThrowsMessage<DataError>(
                  HasSubstr("[table] there is no column 'Age': expected one of name, age")));
}

TEST(Csv, NamesTheFileInErrors) {
  const ScratchFolder folder;
  write_file_atomically(folder / "x.csv", "a\n1,2\n");
  EXPECT_THAT([&] { read_csv(folder / "x.csv"); },
              ThrowsMessage<DataError>(HasSubstr("/x.csv:2] the row has 2")));
}

}  // namespace
}  // namespace equipoise::io
