// The fully connected denoiser for vectors.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/fields.h"
#include "core/libtorch.h"
#include "nets/layers.h"

namespace equipoise::nets {

struct MlpConfig {
  int64_t hidden = 128;
  int64_t layers = 3;
  int64_t emb_channels = 32;
  double label_dropout = 0;

  void fields(FieldVisitor& f);
};

///   h_0 = SiLU(W_0 x + U_0 e);  h_k = SiLU(W_k h_{k-1} + U_k e);  F = V h_last
///
/// e is the embedding of c_noise and label.
///
/// The embedding suits noise labels of order one: preconditioning edm or ve.
/// Shapes: x [B,D] float32, noise_labels [B]; returns [B,D].
class Mlp : public DenoiserNetwork {
 public:
  Mlp(const MlpConfig& config, const DataShape& shape, uint64_t init_seed);
  at::Tensor forward(const at::Tensor& x, const at::Tensor& noise_labels,
                     const Conditions& conditions) override;

 private:
  MlpConfig config_;
  int64_t label_dim_;
  std::shared_ptr<Linear> map_noise_, map_label_, out_;
  std::vector<std::shared_ptr<Linear>> hidden_, conditioning_;
};

}  // namespace equipoise::nets
