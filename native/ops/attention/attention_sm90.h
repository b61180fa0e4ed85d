// Attention by wgmma, for devices of compute capability 9.0: heads of 64 and 128 dimensions in bfloat16, at addresses
// that are multiples of 16 bytes (attention_sm90.cu, attention_backward_sm90.cu).
#pragma once

#include "ops/attention/attention_heads.cuh"

namespace burgeon::cuda {

void launch_sm90_attention(Stream stream, bfloat16* out, float* lse, const bfloat16* qkv, int64_t batch,
                           const Heads& at);

// delta (B, A, T) as lse: dout . out of each query and head
void launch_sm90_attention_backward(Stream stream, bfloat16* dqkv, const bfloat16* dout, const bfloat16* qkv,
                                    const float* lse, const float* delta, int64_t batch, const Heads& at);

// The same in one pass, where takes_one_pass() of attention_passes.h says so. sums: so many floats, whatever the device
// and the other sizes are, at a multiple of 16 bytes.
size_t sm90_whole_attention_sums(int64_t head_size);
void launch_sm90_whole_attention_backward(Stream stream, bfloat16* dqkv, const bfloat16* dout, const bfloat16* qkv,
                                          const float* lse, const float* delta, float* sums, int64_t batch,
                                          const Heads& at);

}  // namespace burgeon::cuda
