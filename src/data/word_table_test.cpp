// The projection, against the facts of Johnson and Lindenstrauss. Fixed seeds; the bounds on means
// and deviations are five standard errors or more.
#include "data/word_table.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"

namespace equipoise::data {
namespace {

const std::vector<std::string> kWords{"man", "woman", "person"};

WordVectors vectors(int64_t dimension = 30) {
  return {{"man", "woman", "person", "people"},
          random_normal(1, Purpose::kToyData, at::arange(4), {dimension})};
}

at::Tensor unit_vector(int64_t dimension, int64_t number) {
  return unit_rows(random_normal(2, Purpose::kToyData, at::arange(number, number + 1), {dimension}))
      .to(at::kDouble);
}

// |R u|^2 follows chi^2_128 / 128 over draws of R: mean 1, standard deviation 0.125.
TEST(RandomProjection, KeepsLengthsAsJohnsonAndLindenstraussSay) {
  const at::Tensor u = unit_vector(30, 0);
  std::vector<double> lengths;
  int64_t num_far = 0;
  for (uint64_t seed = 0; seed < 4000; ++seed) {
    const at::Tensor image = at::matmul(random_projection(128, 30, seed).to(at::kDouble), u.t());
    lengths.push_back(image.square().sum().item<double>());
    num_far += std::abs(lengths.back() - 1) > 0.3 ? 1 : 0;
  }
  const at::Tensor all = at::tensor(lengths, at::kDouble);
  EXPECT_NEAR(all.mean().item<double>(), 1, 0.01);
  EXPECT_NEAR(all.std().item<double>(), 0.125, 0.01);
  // The bound is 0.200; simulated 0.015.
  EXPECT_NEAR(static_cast<double>(num_far) / 4000, 0.015, 0.01);
}

TEST(RandomProjection, KeepsInnerProductsOnAverage) {
  const at::Tensor u = unit_vector(30, 0), v = unit_vector(30, 1);
  std::vector<double> products;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    const at::Tensor r = random_projection(128, 30, seed).to(at::kDouble);
    products.push_back((at::matmul(r, u.t()) * at::matmul(r, v.t())).sum().item<double>());
  }
  const at::Tensor all = at::tensor(products, at::kDouble);
  EXPECT_NEAR(all.mean().item<double>(), (u * v).sum().item<double>(), 0.02);
  EXPECT_LT(all.std().item<double>(), std::sqrt(2.0 / 128) + 0.01);
}

TEST(RandomProjection, HangsOnItsSeedAlone) {
  EXPECT_TRUE(at::equal(random_projection(16, 30, 7), random_projection(16, 30, 7)));
  EXPECT_FALSE(at::equal(random_projection(16, 30, 7), random_projection(16, 30, 8)));
}

TEST(WordTable, ProjectsLinearly) {
  const WordTable table = make_word_table(vectors(), kWords, {.embedding_size = 16}, "test");
  const at::Tensor u = table.vectors[0] - table.vectors[1];
  EXPECT_TRUE(at::allclose(table.project(u.unsqueeze(0))[0],
                           table.embeddings[0] - table.embeddings[1], 1e-5, 1e-6));
  EXPECT_TRUE(at::equal(table.project(at::zeros({1, 30})), at::zeros({1, 16})));
  EXPECT_TRUE(at::equal(table.numbers_of({"person", "man"}), at::tensor({2, 0}, at::kLong)));
}

TEST(WordTable, ComesBackBitForBit) {
  const WordTable table = make_word_table(vectors(), kWords, {}, "test");
  const WordTable read =
      word_table_from_json(nlohmann::json::parse(to_json(table).dump()), "model");
  EXPECT_EQ(read.words, table.words);
  EXPECT_TRUE(at::equal(read.vectors, table.vectors));
  EXPECT_TRUE(at::equal(read.projection, table.projection));
  EXPECT_TRUE(at::equal(read.embeddings, table.embeddings));
  EXPECT_EQ(read.embedding_size(), 128);
}

TEST(WordTable, DebiasingTakesTheDirectionFromAllOtherWords) {
  const WordTable table =
      make_word_table(vectors(), {"man", "woman", "person", "people"},
                      {.embedding_size = 16, .debias = {"man", "woman"}}, "test");
  const at::Tensor direction = table.vectors[0] - table.vectors[1];
  for (const int64_t word : {2, 3}) {
    EXPECT_NEAR(table.vectors[word].dot(direction).item<double>(), 0, 1e-6);
    EXPECT_NEAR(table.vectors[word].norm().item<double>(), 1, 1e-6);
  }
  EXPECT_TRUE(at::equal(table.vectors[0], vectors().of_prompts({"man"})[0]));
}

TEST(WordTable, OrthogonalWordsAreAllEquallyFar) {
  const at::Tensor e = make_orthogonal_table(kWords, 8).embeddings;
  EXPECT_TRUE(at::equal(at::matmul(e, e.t()), at::eye(3)));
  EXPECT_THROW(make_orthogonal_table(kWords, 2), UsageError);
}

std::string problem_of(const WordVectors& file, const std::vector<std::string>& words,
                       const WordTableOptions& options = {}) {
  try {
    make_word_table(file, words, options, "test");
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

TEST(WordTable, RefusesWordsThatNoModelCanTellApart) {
  const WordVectors same({"man", "gent", "king"},
                         at::tensor({1.f, 1.f, 2.f, 2.f, 1.f, 0.f}).reshape({3, 2}));
  EXPECT_EQ(problem_of(same, {"man", "king", "gent"}),
            "[words] these words have one vector, which no model can tell apart: got man, gent, "
            "expected words that differ.");
  EXPECT_EQ(problem_of(vectors(), {"man", "woman", "man"}),
            "[words] a word comes twice: got man, woman, man.");
}

TEST(WordTable, RefusesUnknownWordsAndHalfADirection) {
  EXPECT_THAT(problem_of(vectors(), {"man", "woma"}), testing::HasSubstr("'woma' (near: 'woman'"));
  EXPECT_EQ(problem_of(vectors(), kWords, {.debias = {"man"}}),
            "[words] debias names the two ends of one direction: got man, expected two words.");
}

TEST(WordTable, RefusesBrokenMetadata) {
  nlohmann::json json = to_json(make_word_table(vectors(), kWords, {.embedding_size = 4}, "test"));
  nlohmann::json ragged = json, missing = json, short_list = json;
  ragged["vectors"][1].push_back(1.0);
  missing.erase("projection");
  short_list["words"] = {"man"};
  for (const nlohmann::json& broken : {ragged, missing, short_list})
    EXPECT_THROW(word_table_from_json(broken, "model"), DataError);
}

TEST(AttributeTable, IsAOneForEveryValue) {
  const WordTable one = make_attribute_table({"cat", "dog"});
  EXPECT_EQ(one.words, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_TRUE(at::equal(one.embeddings, at::eye(2)));
  const WordTable crossed =
      make_attribute_table({"Female/Black", "Female/East Asian", "Male/Black"});
  EXPECT_EQ(crossed.words,
            (std::vector<std::string>{"Female/Black", "Female/East Asian", "Male/Black", "Female",
                                      "Black", "East Asian", "Male"}));
  const auto vector_of = [&](const char* word) {
    return crossed.embeddings[crossed.number_of(word)];
  };
  for (const char* group : {"Female/Black", "Female/East Asian", "Male/Black"}) {
    const std::string name = group;
    const size_t cut = name.find('/');
    EXPECT_TRUE(at::equal(vector_of(group), vector_of(name.substr(0, cut).c_str()) +
                                                vector_of(name.substr(cut + 1).c_str())))
        << group;
    EXPECT_EQ(vector_of(group).sum().item<double>(), 2);
  }
  // A value of two attributes would be one word for two vectors.
  EXPECT_THROW(make_attribute_table({"other/other", "old/other", "other/new"}), UsageError);
}

}  // namespace
}  // namespace equipoise::data
