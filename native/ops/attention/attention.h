// Causal multi-head attention over the active heads only; knows nothing about which heads those are.
//
// qkv (B, T, A + 2 G, HS): for each token the queries of the A active heads, then G keys, then G values. G divides A,
// and query head a reads key and value head a / (A / G): grouped queries (Ainslie et al., 2023); G = A is one for each.
// out (B, T, A, HS). lse (B, A, T): log-sum-exp of each row of scaled scores, saved for backward.
// multiply_adds += 2 * B * A * HS * T(T+1)/2 forward and twice that backward (the recomputed scores are not counted).
#pragma once

#include "core/master.h"
#include "core/op_context.h"

namespace burgeon {

// out[i] = sum_{j <= i} softmax_j(q_i . k_j / sqrt(HS)) v_j                 assigns out and lse
template <class T, class = T>
using AttentionForward = void(OpContext& ctx, T* out, Master<T>* lse, const T* qkv, int64_t batch, int64_t sequence,
                              int64_t heads, int64_t kv_heads, int64_t head_size);

// Gradient of qkv given dout (B, T, A, HS).                                 assigns dqkv, as qkv
// With p = softmax, dp_ij = dout_i . v_j and D_i = dout_i . out_i: ds_ij = p_ij (dp_ij - D_i) / sqrt(HS),
// dq_i = sum_j ds_ij k_j, dk_j = sum_i ds_ij q_i, dv_j = sum_i p_ij dout_i; keys
// and values sum over their query heads, in order.
// Source: Dao et al., FlashAttention (2022), appendix B.
template <class T, class = T>
using AttentionBackward = void(OpContext& ctx, T* dqkv, const T* dout, const T* qkv, const T* out, const Master<T>* lse,
                               int64_t batch, int64_t sequence, int64_t heads, int64_t kv_heads, int64_t head_size);

// Where keys and values of earlier tokens are kept while a text is generated: for each sequence and key and value head,
// HS values per position.
template <class T>
struct KeyValueCache {
  T* keys;           // (B, G, capacity, HS)
  T* values;         // likewise
  int64_t capacity;  // positions there is room for
  int64_t length;    // positions that are filled
};

// Stores keys and values of qkv (B, T, A + 2 G, HS) at positions [length, length + T) of the cache, which its caller
// then counts.
template <class T, class = T>
using CacheAppend = void(OpContext& ctx, const KeyValueCache<T>& cache, const T* qkv, int64_t batch, int64_t sequence,
                         int64_t heads, int64_t kv_heads, int64_t head_size);

// Attention of T new tokens, already stored at the end of the cache's `length` positions, over all of them:
// out[i] = sum_{j <= length - T + i} softmax_j(q_i . k_j / sqrt(HS)) v_j     assigns out (B, T, A, HS)
// Reads only the queries of qkv. multiply_adds as in forward, for the pairs there are.
template <class T, class = T>
using AttentionCached = void(OpContext& ctx, T* out, const T* qkv, const KeyValueCache<T>& cache, int64_t batch,
                             int64_t sequence, int64_t heads, int64_t kv_heads, int64_t head_size);

}  // namespace burgeon
