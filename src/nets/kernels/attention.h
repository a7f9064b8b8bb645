// Self-attention of a U-Net block on channels-last images.
//
//   out_q = sum_k softmax_k( q . k / sqrt(D) ) v_k      for each head, over all positions k of the image
//
// Layout: qkv [N, tokens, heads, D, 3] (within a head query, key and value of a channel lie side by
// side, as in the EDM release); out [N, tokens, heads, D]. All on the calling thread; scratch
// memory is kept a thread.
#pragma once

#include <cstdint>

namespace equipoise::nets::kernels {

struct AttentionShape {
  int64_t batch, tokens, heads, channels;  ///< channels of one head: D
};

/// `weights` [N, heads, tokens, tokens] takes the softmax for the backward pass.
void attention_forward(const AttentionShape& shape, const float* qkv, float* out, float* weights);
/// grad_qkv is overwritten.
void attention_backward(const AttentionShape& shape, const float* qkv, const float* weights,
                        const float* grad_out, float* grad_qkv);

}  // namespace equipoise::nets::kernels
