// What all attention kernels share: where heads lie, and the scale of scores.
#pragma once

#include <cmath>

#include "kernels/cuda/device.cuh"

namespace burgeon::cuda {

// Where heads lie in qkv (B, T, A + 2 G, HS) and out (B, T, A, HS).
struct Heads {
  int sequence;
  int heads;
  int kv_heads;
  int head_size;

  BURGEON_DEVICE int qkv_stride() const { return (heads + 2 * kv_heads) * head_size; }
  BURGEON_DEVICE int out_stride() const { return heads * head_size; }
  BURGEON_DEVICE int queries_per_kv_head() const { return heads / kv_heads; }
  BURGEON_DEVICE int64_t query(int b, int a) const {
    return static_cast<int64_t>(b) * sequence * qkv_stride() + a * head_size;
  }
  BURGEON_DEVICE int64_t key(int b, int g) const { return query(b, heads + g); }
  BURGEON_DEVICE int64_t value(int b, int g) const { return query(b, heads + kv_heads + g); }
  BURGEON_DEVICE int64_t out(int b, int a) const {
    return static_cast<int64_t>(b) * sequence * out_stride() + a * head_size;
  }
  BURGEON_DEVICE int64_t row(int b, int a) const { return (static_cast<int64_t>(b) * heads + a) * sequence; }  // of lse
};

// 1 / sqrt(HS), for powers of e and of 2.
struct Scale {
  float natural;
  float binary;
};

inline Heads heads_of(int64_t sequence, int64_t heads, int64_t kv_heads, int64_t head_size) {
  return {static_cast<int>(sequence), static_cast<int>(heads), static_cast<int>(kv_heads), static_cast<int>(head_size)};
}

inline Scale scale_of(int64_t head_size) {
  const float scale = 1.0f / std::sqrt(static_cast<float>(head_size));
  return {scale, scale * kLog2E};
}

// Over the four threads that share a row.
BURGEON_DEVICE float row_sum(float x) {
  x += shuffle_xor(x, 1);
  return x + shuffle_xor(x, 2);
}
BURGEON_DEVICE float row_max(float x) {
  x = larger(x, shuffle_xor(x, 1));
  return larger(x, shuffle_xor(x, 2));
}

}  // namespace burgeon::cuda
