// Everything a step keeps between forward and backward, and its buffers, in one planned arena.
#pragma once

#include <cstdint>
#include <vector>

#include "backend/backend.h"
#include "model/config.h"
#include "model/subnetwork.h"

namespace burgeon {

// What one active layer saves for its backward pass. N = B T; A, G and m are the layer's active heads and neurons, m
// padded with zeros (Ops::padded); buffers are planned for the most of any layer.
template <class T, class W = T>
struct LayerActivations {
  T* ln1;               // (N, C) normalised input of attention
  Master<T>* ln1_mean;  // (N); null, as all means, with RMSNorm
  Master<T>* ln1_rstd;  // (N)
  T* qkv;               // (N, A + 2 G, HS), queries and keys rotated
  T* att;               // (N, A, HS)
  Master<T>* lse;       // (B, A, T)
  W* middle;            // (N, C) residual stream between attention and MLP
  T* ln2;               // (N, C)
  Master<T>* ln2_mean;  // (N)
  Master<T>* ln2_rstd;  // (N)
  T* gate;              // (N, m) before SiLU; null without a gate
  T* fc;                // (N, m) before GELU, or what the gate multiplies
  T* act;               // (N, m)
  W* output;            // (N, C) residual stream after the layer
};

// What the arena is planned for: rows, and what takes part at most. Without `gradients` layers share one set of
// buffers.
struct ActivationShape {
  int64_t rows = 0;      // N = B T
  int64_t sequence = 0;  // T
  bool gradients = false;
  Extent part{};

  bool covers(const ActivationShape& other) const {
    return rows >= other.rows && sequence >= other.sequence && (gradients || !other.gradients) &&
           part.layers >= other.part.layers && part.heads >= other.part.heads && part.kv_heads >= other.part.kv_heads &&
           part.neurons >= other.part.neurons;
  }
  // The smallest that covers both.
  ActivationShape joined(const ActivationShape& other) const;
};

template <class T, class W = T>
struct Activations {
  ActivationShape shape;  // what they are planned for
  int64_t neurons;        // a row of these, Ops::padded
  int32_t* tokens;        // (N), and behind them their order where the backend wants it
  int32_t* targets;       // (N)
  Master<T>* rope;        // (T, 2, HS / 2) cosines and sines of every position; null with learned positions
  W* embedded;            // (N, C)
  std::vector<LayerActivations<T, W>> layers;
  T* lnf;                            // (N, C)
  Master<T>* lnf_mean;               // (N)
  Master<T>* lnf_rstd;               // (N)
  Master<T>* losses;                 // (N)
  Master<T>* kept_losses = nullptr;  // (kept_rows), those of micro-batches that nobody has waited for; with gradients
  int64_t kept_rows = 0;
  T* logits;  // (logit_rows, logit_stride): a bounded block, whatever N and V
  int64_t logit_rows;
  int64_t logit_stride;  // V, or a little more
  double* sums;          // of squares of the gradient, of every block of rows (model/row_shards.h)
  // (logit_rows) factors of the rows that head_loss leaves in place of logits; null where it is never taken.
  Master<T>* logit_scales = nullptr;
  // Buffers of the backward pass; null without.
  W* dresidual = nullptr;  // (N, C) gradient of the residual stream
  T* dbranch = nullptr;    // (N, C) the same as products read it; `dresidual` itself where they read that
  W* dnorm = nullptr;      // (N, C) gradient of a normalised input
  T* dwide = nullptr;      // (N, max((NH + 2 KV) HS, F, 2 F with a gate)) gradient of qkv, or of fc, then of the gate
  T* datt = nullptr;       // (N, NH HS) gradient of the attention output

  char* shared_scratch;
  char* thread_scratch;
  size_t scratch_bytes;  // of both
};

// The activations of a group of sequences whose first row is `row` of all. Buffers that only one group at a time uses
// are those of all.
template <class T, class W>
void view_rows(const ModelConfig& config, const Activations<T, W>& all, int64_t row, Activations<T, W>* group);

// Lays the activations out from `base` (null: only measures) for a backend and returns the bytes used. `scratch_bytes`
// is what each thread's scratch has.
template <class T, class W>
size_t plan_activations(const ModelConfig& config, const ActivationShape& shape, const Ops<T, W>& ops, int threads,
                        char* base, Activations<T, W>* activations, size_t* scratch_bytes);

// Rotations of positions [0, sequence) for ops/rotary, (sequence, 2, HS / 2).
template <class T>
std::vector<T> rope_table(const ModelConfig& config, int64_t sequence);

}  // namespace burgeon
