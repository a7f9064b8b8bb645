// Samples of a model told of words: which groups it makes for each word.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "metrics/shares.h"

namespace equipoise::audit {

struct WordSamples {
  at::Tensor predicted;                 ///< [N] int64 groups, as classified
  at::Tensor words;                     ///< [N] int64 numbers of the words they were made for
  std::vector<std::string> vocabulary;  ///< words by number
  metrics::ConfusionMatrix confusion;   ///< of the classifier
  std::vector<std::string> group_names;
};

/// [{"word", "num_samples", "shares": as the metric of this name, without a target}], of the words
/// that have samples, in the order of the vocabulary.
/// Random: as the metric. Throws: UsageError on lengths and codes that do not fit.
nlohmann::ordered_json shares_by_word(const WordSamples& samples, uint64_t seed);

}  // namespace equipoise::audit
