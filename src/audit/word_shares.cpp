#include "audit/word_shares.h"

#include <ATen/ATen.h>

#include "audit/measure.h"
#include "core/check.h"

namespace equipoise::audit {

using Json = nlohmann::ordered_json;

Json shares_by_word(const WordSamples& samples, uint64_t seed) {
  check_shape(samples.words, {samples.predicted.size(0)}, "words of the samples");
  const metrics::Counts num_samples =
      metrics::count_groups(samples.words, static_cast<int64_t>(samples.vocabulary.size()));
  metrics::MetricInput input;
  input.group_names = samples.group_names;
  input.confusion = samples.confusion;
  input.seed = seed;
  Json by_word = Json::array();
  for (size_t w = 0; w < samples.vocabulary.size(); ++w) {
    if (num_samples[w] == 0) continue;
    input.counts = metrics::count_groups(
        samples.predicted.masked_select(samples.words.eq(static_cast<int64_t>(w))),
        static_cast<int64_t>(samples.group_names.size()));
    by_word.push_back({{"word", samples.vocabulary[w]},
                       {"num_samples", num_samples[w]},
                       {"shares", measure(input, {.metrics = {"shares"}}).at("shares")}});
  }
  return by_word;
}

}  // namespace equipoise::audit
