#include "track/event_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "core/error.h"
#include "core/libtorch.h"
#include "io/image_codec.h"
#include "io/scratch_folder.h"
#include "track/event_reading.h"

namespace equipoise::track {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

double fixed_clock() {
  return 1700000000.5;
}

struct EventFileTest : testing::Test {
  io::ScratchFolder scratch;
  const fs::path folder = scratch / "events";
};

TEST_F(EventFileTest, BeginsWithItsVersionAndAStart) {
  const EventFile file(folder, fixed_clock);
  EXPECT_THAT(file.path().filename(), StartsWith("events.out.tfevents.1700000000."));
  const std::vector<ReadEvent> events = read_events(file.path());
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].version, "brain.Event:2");
  EXPECT_EQ(events[0].wall_time, 1700000000.5);
  EXPECT_TRUE(events[1].starts_session);
}

TEST_F(EventFileTest, HoldsScalarsImagesAndHistogramsThatReadBack) {
  EventFile file(folder, fixed_clock);
  const std::string png = io::encode_png(torch::arange(3 * 2 * 5, at::kByte).view({3, 2, 5}));
  file.add_scalar("dsm/loss", 4096, 0.25);
  file.add_image("samples/dsm", 8192, png);
  file.add_histogram("weights", 3, histogram_of_counts({0, 1, 2}, {7, 5}));
  const std::vector<ReadEvent> events = read_events(file.path());
  ASSERT_EQ(events.size(), 5u);
  EXPECT_THAT(tags_and_steps(events),
              ElementsAre("dsm/loss@4096", "samples/dsm@8192", "weights@3"));
  EXPECT_EQ(events[2].scalar, 0.25f);
  EXPECT_EQ(events[3].height, 2);
  EXPECT_EQ(events[3].width, 5);
  EXPECT_EQ(events[3].channels, 3);
  EXPECT_EQ(events[3].png, png);
  EXPECT_THAT(events[4].limits, ElementsAre(0, 1, 2));
  EXPECT_THAT(events[4].counts, ElementsAre(0, 7, 5));
  EXPECT_EQ(events[4].num, 12);
}

TEST_F(EventFileTest, ReachesTheDiskEventByEvent) {
  EventFile file(folder, fixed_clock);
  file.add_scalar("loss", 1, 1);
  EXPECT_EQ(read_events(file.path()).size(), 3u);
  file.add_scalar("loss", 2, 1);
  EXPECT_EQ(read_events(file.path()).size(), 4u);
}

TEST_F(EventFileTest, AFileCutAnywhereKeepsItsWholeRecordsAndTheNextStandsBesideIt) {
  fs::path first;
  {
    EventFile file(folder, fixed_clock);
    file.add_scalar("loss", 1, 1);
    first = file.path();
  }
  fs::resize_file(first, fs::file_size(first) - 3);
  const EventFile second(folder, fixed_clock);  // in the same second
  EXPECT_NE(second.path(), first);
  EXPECT_LT(first.filename().string(), second.path().filename().string());
  size_t num_torn = 0;
  EXPECT_EQ(read_records(first, num_torn).size(), 2u);
  EXPECT_GT(num_torn, 0u);
  EXPECT_EQ(read_events(second.path()).size(), 2u);
}

TEST_F(EventFileTest, IsWhatProtocReads) {
  if (std::system("command -v protoc > /dev/null 2>&1") != 0)
    GTEST_SKIP() << "protoc is not installed (Debian package protobuf-compiler)";
  EventFile file(folder, fixed_clock);
  file.add_scalar("dsm/loss", 4096, 0.5);
  size_t num_torn = 0;
  const std::vector<std::string> records = read_records(file.path(), num_torn);
  io::write_file_atomically(scratch / "record", records.at(2));
  const std::string command = "protoc --decode_raw < '" + (scratch / "record").string() + "' > '" +
                              (scratch / "text").string() + "'";
  ASSERT_EQ(std::system(command.c_str()), 0);
  const std::string text = io::read_file(scratch / "text");
  EXPECT_THAT(text, HasSubstr("2: 4096\n"));
  EXPECT_THAT(text, HasSubstr("5 {\n  1 {\n    1: \"dsm/loss\"\n    2: 0x3f000000\n  }\n}\n"));
}

TEST_F(EventFileTest, RefusesAnImageThatIsNoPng) {
  EventFile file(folder, fixed_clock);
  EXPECT_THROW(file.add_image("samples", 0, "text"), DataError);
}

TEST_F(EventFileTest, SaysWhenItsFolderCannotBeMade) {
  io::write_file_atomically(folder, "a file");
  EXPECT_THROW(EventFile(folder, fixed_clock), EnvironmentError);
}

}  // namespace
}  // namespace equipoise::track
