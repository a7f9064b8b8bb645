#include "pipeline/audit_prompts.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.h"
#include "core/libtorch.h"
#include "core/spelling.h"
#include "data/groups.h"
#include "data/word_vectors.h"
#include "diffusion/model_file.h"

namespace equipoise::pipeline {
namespace {

bool has(const std::vector<std::string>& list, const std::string& word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

/// The first word of all groups that have `value` in their name, which not every group has.
std::string word_for(const std::string& value, const ModelWords& words) {
  const auto in_groups = [&](const std::string& word, bool of_value) {
    bool in_all = true;
    for (size_t g = 0; g < words.groups.size(); ++g) {
      const bool is_of_value =
          words.groups[g] == value || has(data::values_in(words.groups[g]), value);
      if (!of_value || is_of_value) in_all = in_all && has(words.by_group[g], word);
    }
    return in_all;
  };
  const bool is_known = std::any_of(words.groups.begin(), words.groups.end(), [&](const auto& g) {
    return g == value || has(data::values_in(g), value);
  });
  for (const std::string& word : words.table.words)
    if (is_known && in_groups(word, true) && !in_groups(word, false)) return word;
  throw UsageError({.where = "--prompts",
                    .what = "no word of the model belongs to this value of the attribute alone",
                    .got = value,
                    .expected = fmt::format("a word for every value, of: {}",
                                            fmt::join(words.table.words, ", ")),
                    .hint = "Name them: --prompts WORD,WORD"});
}

/// Whether a model is told the same by both.
bool is_same(const at::Tensor& one, const at::Tensor& other) {
  return !data::coinciding_rows(at::stack({one, other})).empty();
}

/// Conditions of a model that is told of words.
class WordPrompts {
 public:
  WordPrompts(const ModelWords& words, const AuditJob& job) : words_(words) {
    if (job.word_file) file_ = data::read_word_vectors(*job.word_file);
  }
  Prompts make(const AuditJob& job, const std::vector<std::string>& values) const {
    Prompts prompts;
    std::vector<std::string> names = job.prompts;
    if (names.empty())
      for (const std::string& value : values) names.push_back(word_for(value, words_));
    for (const std::string& name : names) prompts.classes.push_back(prompt(name));
    prompts.neutral = job.neutral.empty() ? shared_word() : prompt(job.neutral);
    for (const std::string& word : words_.table.words) add_other(prompt(word), prompts);
    if (!job.neutral.empty() && !has(words_.table.words, job.neutral))
      add_other(prompts.neutral, prompts);
    return prompts;
  }

 private:
  /// Unless it is there already, perhaps under another name.
  static void add_other(const audit::Prompt& word, Prompts& prompts) {
    for (const auto* known : {&prompts.classes, &prompts.others})
      for (const audit::Prompt& prompt : *known)
        if (is_same(prompt.condition, word.condition)) return;
    prompts.others.push_back(word);
  }
  audit::Prompt prompt(const std::string& name) const {
    if (file_ && !has(words_.table.words, name))
      return {name, words_.table.project(file_->of_prompts({name}))[0]};
    return {name, words_.table.embeddings[words_.table.number_of(name)]};
  }
  audit::Prompt shared_word() const {
    for (const std::string& word : words_.table.words)
      if (std::all_of(words_.by_group.begin(), words_.by_group.end(),
                      [&](const auto& own) { return has(own, word); }))
        return prompt(word);
    return {"(no word)", {}};
  }

  const ModelWords& words_;
  std::optional<data::WordVectors> file_;
};

/// Conditions of a model that is told of classes; its neutral prompt is none.
Prompts class_prompts(const diffusion::ModelConfig& config, const AuditJob& job,
                      const std::vector<std::string>& values) {
  const int64_t num_classes = config.shape.label_dim;
  const auto names = diffusion::class_names(config.extra, num_classes);
  if (static_cast<int64_t>(names.size()) != num_classes || !job.neutral.empty())
    throw UsageError({.where = job.model.string(),
                      .what = "a model told of classes has no other prompts than these and none",
                      .got = job.neutral,
                      .expected = fmt::format("{}", fmt::join(names, ", ")),
                      .hint = ""});
  Prompts prompts{.classes = {}, .neutral = {"(no class)", {}}, .others = {}};
  const at::Tensor eye = at::eye(num_classes);
  for (const std::string& name : job.prompts.empty() ? values : job.prompts) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) throw unknown_name("class of the model", name, names);
    prompts.classes.push_back({name, eye[found - names.begin()]});
  }
  return prompts;
}

void check_prompts(const Prompts& prompts, const std::vector<std::string>& values) {
  std::vector<at::Tensor> rows;
  for (const audit::Prompt& prompt : prompts.classes) rows.push_back(prompt.condition);
  if (rows.size() != values.size() || rows.size() < 2)
    throw UsageError({.where = "--prompts",
                      .what = "one prompt a value of the attribute, two at least",
                      .got = fmt::format("{}", rows.size()),
                      .expected = fmt::format("prompts for {}", fmt::join(values, ", ")),
                      .hint = ""});
  for (const std::vector<int64_t>& same : data::coinciding_rows(at::stack(rows)))
    throw UsageError({.where = "--prompts",
                      .what = "the model cannot tell these prompts apart",
                      .got = prompts.classes[static_cast<size_t>(same[0])].name + ", " +
                             prompts.classes[static_cast<size_t>(same[1])].name,
                      .expected = "prompts whose vectors differ",
                      .hint = ""});
  const at::Tensor& said = prompts.neutral.condition;
  const at::Tensor neutral = said.defined() ? said : at::zeros_like(rows.front());
  for (const audit::Prompt& prompt : prompts.classes)
    if (is_same(prompt.condition, neutral))
      throw UsageError({.where = "--neutral",
                        .what = "the model cannot tell the neutral prompt from a class prompt",
                        .got = prompts.neutral.name + ", " + prompt.name,
                        .expected = "prompts whose vectors differ",
                        .hint = ""});
}

}  // namespace

Prompts make_prompts(const AuditJob& job, const diffusion::ModelConfig& model,
                     const std::optional<ModelWords>& words,
                     const std::vector<std::string>& values) {
  Prompts prompts =
      words ? WordPrompts(*words, job).make(job, values) : class_prompts(model, job, values);
  check_prompts(prompts, values);
  return prompts;
}

}  // namespace equipoise::pipeline
