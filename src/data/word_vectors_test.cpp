#include "data/word_vectors.h"

#include <functional>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "core/error.h"
#include "io/files.h"
#include "io/scratch_folder.h"

namespace equipoise::data {
namespace {

using testing::HasSubstr;

constexpr const char* kGlove =
    "man 3 4 0\nwoman 0 4 3\nnurse 0 0 2\nnothing 0 0 0\nman 9 9 9\nParis 1 0 0\n";

WordVectors read(const std::string& text) {
  const io::ScratchFolder folder;
  io::write_file_atomically(folder / "words.txt", text);
  return read_word_vectors(folder / "words.txt");
}

std::string problem_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(WordVectors, HaveUnitLengthAndTheFirstLineOfAWordCounts) {
  const WordVectors words = read(kGlove);
  EXPECT_EQ(words.dimension(), 3);
  const at::Tensor vectors = words.of_prompts({"man", "nurse", "nothing"});
  EXPECT_TRUE(at::allclose(
      vectors, at::tensor({0.6f, 0.8f, 0.f, 0.f, 0.f, 1.f, 0.f, 0.f, 0.f}).reshape({3, 3})));
}

TEST(WordVectors, ReadsWord2vecsFirstLineAndCompressedFiles) {
  const io::ScratchFolder folder;
  const std::string path = folder / "words.txt.gz", text = "2 3\nman 3 4 0\nwoman 0 4 3\n";
  gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
  gzclose(file);
  const WordVectors words = read_word_vectors(path);
  EXPECT_EQ(words.size(), 2);
  EXPECT_NEAR(words.of_prompts({"woman"})[0][2].item<double>(), 0.6, 1e-7);
}

TEST(WordVectors, AddsUpTheWordsOfAPromptHoweverTheyAreParted) {
  const WordVectors words = read(kGlove);
  const at::Tensor prompts = words.of_prompts({"Man nurse", "man_nurse", "nurse man", "man"});
  const at::Tensor sum = at::tensor({0.6, 0.8, 1.0});
  EXPECT_TRUE(at::allclose(prompts[0].to(at::kDouble), sum / sum.norm()));
  EXPECT_EQ(coinciding_rows(prompts), (std::vector<std::vector<int64_t>>{{0, 1, 2}}));
  EXPECT_TRUE(coinciding_rows(words.of_prompts({"man", "woman", "nurse"})).empty());
}

TEST(WordVectors, KeepsTheCaseThatTheFileHas) {
  EXPECT_NO_THROW(read(kGlove).of_prompts({"Paris"}));
  EXPECT_THAT(problem_of([] { read(kGlove).of_prompts({"paris"}); }), HasSubstr("'paris'"));
}

TEST(WordVectors, NamesEveryUnknownWordAndNearOnes) {
  const std::string problem = problem_of([] {
    read(kGlove).of_prompts({"nurs", "man", "qqqqqqqq woman"});
  });
  EXPECT_THAT(problem, HasSubstr("'nurs' (near: 'nurse')"));
  EXPECT_THAT(problem, HasSubstr("'qqqqqqqq'"));
  EXPECT_THAT(problem, testing::Not(HasSubstr("'man'")));
}

TEST(WordVectors, SaysWhichLineIsBroken) {
  EXPECT_THAT(problem_of([] { read("man 1 2\nwoman 1\n"); }), HasSubstr("line 2"));
  EXPECT_THAT(problem_of([] { read("man 1 2\nwoman 1 two\n"); }), HasSubstr("two"));
  EXPECT_THAT(problem_of([] { read("man 1 nan\n"); }), HasSubstr("line 1"));
  EXPECT_THAT(problem_of([] { read("3 2\nman 1 2\n"); }), HasSubstr("ends early"));
  EXPECT_THROW(read("man\n"), DataError);
  EXPECT_THROW(read(""), DataError);
}

}  // namespace
}  // namespace equipoise::data
