#include "track/event_file.h"

#include <unistd.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <system_error>

#include <fmt/format.h>
#include <protozero/pbf_writer.hpp>

#include "core/error.h"
#include "io/image_codec.h"
#include "io/tf_record.h"

namespace equipoise::track {
namespace {

// Field numbers of event.proto and summary.proto.
enum class EventField : protozero::pbf_tag_type {
  kWallTime = 1,
  kStep = 2,
  kFileVersion = 3,
  kSummary = 5,
  kSessionLog = 7
};
constexpr protozero::pbf_tag_type kSessionStatus = 1, kSummaryValue = 1, kValueTag = 1;
constexpr int32_t kSessionStart = 1;
enum class ValueField : protozero::pbf_tag_type { kSimple = 2, kImage = 4, kHistogram = 5 };
enum class ImageField : protozero::pbf_tag_type {
  kHeight = 1,
  kWidth = 2,
  kColourSpace = 3,
  kBytes = 4
};
enum class HistogramField : protozero::pbf_tag_type {
  kMin = 1,
  kMax = 2,
  kNum = 3,
  kSum = 4,
  kSumSquares = 5,
  kLimits = 6,
  kCounts = 7
};

template <class Field>
constexpr protozero::pbf_tag_type tag(Field field) {
  return static_cast<protozero::pbf_tag_type>(field);
}

std::string event(double wall_time_sec, int64_t step, EventField content,
                  const std::string& bytes) {
  std::string message;
  protozero::pbf_writer writer(message);
  writer.add_double(tag(EventField::kWallTime), wall_time_sec);
  writer.add_int64(tag(EventField::kStep), step);
  writer.add_bytes(tag(content), bytes);
  return message;
}

/// A summary of one value; `add` writes what it is.
template <class Add>
std::string summary(std::string_view name, const Add& add) {
  std::string value;
  protozero::pbf_writer value_writer(value);
  value_writer.add_string(kValueTag, name.data(), name.size());
  add(value_writer);
  std::string message;
  protozero::pbf_writer(message).add_message(kSummaryValue, value);
  return message;
}

/// The host as it may stand in a file name.
std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  std::string host = name.data();
  for (char& c : host)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '.') c = '_';
  return host;
}

/// TensorBoard reads the files of a folder in the order of their names, hence ten digits; a second
/// file of the same second gets a number behind.
std::filesystem::path free_path(const std::filesystem::path& folder, double now_sec) {
  const std::string name =
      fmt::format("events.out.tfevents.{:010}.{}", static_cast<int64_t>(now_sec), host_name());
  std::filesystem::path path = folder / name;
  for (int number = 1; std::filesystem::exists(path); ++number)
    path = folder / fmt::format("{}.{:03}", name, number);
  return path;
}

void make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    throw EnvironmentError({.where = folder.string(),
                            .what = "the folder of event files cannot be made",
                            .got = error.message()});
}

}  // namespace

double EventFile::system_clock_sec() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

EventFile::EventFile(const std::filesystem::path& folder, Clock clock) : clock_(std::move(clock)) {
  make_folder(folder);
  const double now = clock_();
  path_ = free_path(folder, now);
  file_.open(path_, std::ios::binary);
  std::string session;
  protozero::pbf_writer(session).add_enum(kSessionStatus, kSessionStart);
  std::string version;
  protozero::pbf_writer writer(version);
  writer.add_double(tag(EventField::kWallTime), now);
  writer.add_string(tag(EventField::kFileVersion), "brain.Event:2");
  write(version);
  write(event(now, 0, EventField::kSessionLog, session));
}

void EventFile::add_scalar(std::string_view name, int64_t step, double value) {
  const std::string content = summary(name, [&](protozero::pbf_writer& writer) {
    writer.add_float(tag(ValueField::kSimple), static_cast<float>(value));
  });
  write(event(clock_(), step, EventField::kSummary, content));
}

void EventFile::add_image(std::string_view name, int64_t step, const std::string& png) {
  const at::Tensor pixels = io::decode_image(png, std::string(name));
  const std::string content = summary(name, [&](protozero::pbf_writer& writer) {
    protozero::pbf_writer image(writer, tag(ValueField::kImage));
    image.add_int32(tag(ImageField::kHeight), static_cast<int32_t>(pixels.size(1)));
    image.add_int32(tag(ImageField::kWidth), static_cast<int32_t>(pixels.size(2)));
    image.add_int32(tag(ImageField::kColourSpace), static_cast<int32_t>(pixels.size(0)));
    image.add_bytes(tag(ImageField::kBytes), png);
  });
  write(event(clock_(), step, EventField::kSummary, content));
}

void EventFile::add_histogram(std::string_view name, int64_t step,
                              const ValueHistogram& histogram) {
  const std::string content = summary(name, [&](protozero::pbf_writer& writer) {
    protozero::pbf_writer out(writer, tag(ValueField::kHistogram));
    out.add_double(tag(HistogramField::kMin), histogram.min);
    out.add_double(tag(HistogramField::kMax), histogram.max);
    out.add_double(tag(HistogramField::kNum), histogram.num);
    out.add_double(tag(HistogramField::kSum), histogram.sum);
    out.add_double(tag(HistogramField::kSumSquares), histogram.sum_squares);
    out.add_packed_double(tag(HistogramField::kLimits), histogram.limits.begin(),
                          histogram.limits.end());
    out.add_packed_double(tag(HistogramField::kCounts), histogram.counts.begin(),
                          histogram.counts.end());
  });
  write(event(clock_(), step, EventField::kSummary, content));
}

void EventFile::write(const std::string& event) {
  const std::string record = io::tf_record(event);
  file_.write(record.data(), static_cast<std::streamsize>(record.size()));
  file_.flush();
  if (!file_)
    throw EnvironmentError({.where = path_.string(),
                            .what = "an event for TensorBoard cannot be written",
                            .got = std::generic_category().message(errno)});
}

}  // namespace equipoise::track
