// The layers of ADM's networks, under the names of that release's state dict: its containers count
// their members, so many names are numbers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/libtorch.h"
#include "nets/layers.h"

namespace equipoise::nets {

/// How output layers start: at zero.
inline constexpr InitScheme kAdmInitZero{InitLaw::kKaimingUniform, 0};

/// A container that the reference numbers the members of.
std::shared_ptr<torch::nn::Module> add_group(torch::nn::Module& parent, const std::string& name);

/// 32 groups, eps 1e-5.
std::shared_ptr<GroupNorm> adm_norm(int64_t channels);

/// Linear map at every position of a sequence. Weight [out,in,1], bias [out]; both zero at first
/// when `is_zero`.
class SequenceConv : public torch::nn::Module {
 public:
  SequenceConv(ParameterInit& init, int64_t in_channels, int64_t out_channels, bool is_zero);
  at::Tensor forward(const at::Tensor& x) const { return linear_over_channels(x, weight_, bias_); }

 private:
  at::Tensor weight_, bias_;
};

/// Image and embedding in, image out: x [B,C,H,W], emb [B,emb_channels].
class AdmLayer : public torch::nn::Module {
 public:
  virtual at::Tensor forward(const at::Tensor& x, const at::Tensor& emb,
                             const ForwardRandomness* randomness) const = 0;
};

/// Layers one after the other, named "0", "1", …
class AdmStage : public AdmLayer {
 public:
  void add(const std::shared_ptr<AdmLayer>& layer);
  at::Tensor forward(const at::Tensor& x, const at::Tensor& emb,
                     const ForwardRandomness* randomness) const override;

 private:
  std::vector<std::shared_ptr<AdmLayer>> layers_;
};

/// What the residual blocks of one network have in common.
struct AdmBlockStyle {
  int64_t emb_channels = 0;
  /// The embedding scales and shifts after the norm; otherwise it is added before.
  bool use_scale_shift_norm = true;
  double dropout = 0;
};

struct AdmBlockShape {
  int64_t in_channels = 0;
  int64_t out_channels = 0;
  Resample resample = Resample::kNone;  ///< kUp or kDown: within the block, by 2x2 copies or means
};

///   h = conv3(dropout(SiLU(GN(conv3(resample(SiLU(GN(x))))) with the embedding)))
///   y = skip(resample(x)) + h,     skip = 1x1 convolution where the channels differ
///
/// Names: in_layers.{0,2}, emb_layers.1, out_layers.{0,3}, [skip_connection]. `layer` addresses the
/// dropout masks: unique within a network.
class AdmResBlock : public AdmLayer {
 public:
  AdmResBlock(ParameterInit& init, const AdmBlockShape& shape, const AdmBlockStyle& style,
              uint32_t layer);
  at::Tensor forward(const at::Tensor& x, const at::Tensor& emb,
                     const ForwardRandomness* randomness) const override;

 private:
  at::Tensor resampled(const at::Tensor& x) const;
  at::Tensor conditioned(const at::Tensor& hidden, const at::Tensor& emb) const;

  Resample resample_;
  bool use_scale_shift_norm_;
  double dropout_;
  uint32_t layer_;
  std::shared_ptr<GroupNorm> in_norm_, out_norm_;
  std::shared_ptr<Conv2d> in_conv_, out_conv_, skip_;
  std::shared_ptr<Linear> emb_linear_;
};

/// Halves by a 3x3 convolution at stride 2. Name: op.
class AdmDownConv : public AdmLayer {
 public:
  AdmDownConv(ParameterInit& init, int64_t channels);
  at::Tensor forward(const at::Tensor& x, const at::Tensor& emb,
                     const ForwardRandomness* randomness) const override;

 private:
  at::Tensor weight_, bias_;
};

/// Doubles by copies, then a 3x3 convolution. Name: conv.
class AdmUpConv : public AdmLayer {
 public:
  AdmUpConv(ParameterInit& init, int64_t channels);
  at::Tensor forward(const at::Tensor& x, const at::Tensor& emb,
                     const ForwardRandomness* randomness) const override;

 private:
  std::shared_ptr<Conv2d> conv_;
};

/// How attention splits its channels.
struct AdmHeads {
  int64_t num_heads = 1;
  int64_t num_head_channels = 0;  ///< not 0: as many heads as it divides into, whatever num_heads
  /// Order of the channels of qkv: (q | k | v, head, channel) if set, else (head, q | k | v,
  /// channel). The release has networks of both kinds, which the tensors do not tell apart.
  bool use_new_order = false;
};

/// x + proj_out(attention(qkv(GN(x)))) over all positions. Names: norm, qkv, proj_out.
class AdmAttention : public AdmLayer {
 public:
  /// Throws UsageError when the channels do not divide into the heads.
  AdmAttention(ParameterInit& init, int64_t channels, const AdmHeads& heads);
  at::Tensor forward(const at::Tensor& x, const at::Tensor& emb,
                     const ForwardRandomness* randomness) const override;

 private:
  std::vector<at::Tensor> queries_keys_values(const at::Tensor& qkv) const;

  int64_t head_channels_;
  bool use_new_order_;
  std::shared_ptr<GroupNorm> norm_;
  std::shared_ptr<SequenceConv> qkv_, proj_out_;
};

/// Linear(SiLU(Linear(sinusoid(t)))), 4 model_channels wide; registers time_embed.{0,2} and, when
/// there are labels, label_emb.weight [num_label_rows, 4 model_channels] in `parent`.
class AdmEmbedding {
 public:
  AdmEmbedding(torch::nn::Module& parent, ParameterInit& init, int64_t model_channels,
               int64_t num_label_rows);
  /// t [B]: step numbers, 0 … T-1.
  at::Tensor of_time(const at::Tensor& t) const;
  /// Undefined for networks without labels.
  const at::Tensor& label_rows() const { return label_rows_; }

 private:
  int64_t model_channels_;
  std::shared_ptr<Linear> first_, second_;
  at::Tensor label_rows_;
};

}  // namespace equipoise::nets
