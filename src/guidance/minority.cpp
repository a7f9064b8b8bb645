#include "guidance/minority.h"

#include <utility>

#include "core/random.h"

namespace equipoise::guidance {
namespace {

constexpr const char* kName = "minority";

}  // namespace

MinorityGuidance::MinorityGuidance(const MinorityOptions& options, LabelSource source)
    : ClassGradient(kName, std::move(source), options.scale, options),
      target_(options.target),
      from_(options.from) {
  check_label(target_, "target");
  check_label(from_, "from");
  if (target_ < 0) target_ = num_labels() - 1;
}

MinorityGuidance::MinorityGuidance(const MinorityOptions& options, const TermContext& context)
    : MinorityGuidance(options, load_label_source(options.model, context, "minority")) {}

at::Tensor MinorityGuidance::target(const diffusion::Visit& visit) const {
  at::Tensor bins = at::full({visit.x.size(0)}, target_, at::kLong);
  if (from_ < 0) return bins;
  const at::Tensor seeds = visit.seeds.contiguous();
  for (int64_t i = 0; i < bins.size(0); ++i) {
    RandomStream stream(0, Purpose::kClassChoice,
                        static_cast<uint64_t>(seeds.data_ptr<int64_t>()[i]));
    bins.data_ptr<int64_t>()[i] =
        from_ + static_cast<int64_t>(stream.below(static_cast<uint64_t>(num_labels() - from_)));
  }
  return bins;
}

namespace {

const bool kRegistered = register_term<MinorityGuidance, MinorityOptions>(
    {.name = kName,
     .summary = "The gradient of a classifier of minority bins: towards rarely seen images.",
     .source = "Um, Lee and Ye 2024 (arXiv:2301.12334)",
     .use_when = "to draw what a training set shows seldom, without labels of it"});

}  // namespace
}  // namespace equipoise::guidance
