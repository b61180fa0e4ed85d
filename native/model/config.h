// The shape of a model, as lib/config/model-config.ts validates it. GPT-2 architecture: pre-LN, learned positions, tanh
// GELU, biases, output head tied to the token embedding.
#pragma once

#include <cstdint>

namespace burgeon {

struct ModelConfig {
  int64_t n_layer;         // L
  int64_t n_head;          // NH
  int64_t n_embd;          // C
  int64_t n_inner;         // F, MLP neurons
  int64_t context_length;  // maxT, number of positions
  int64_t vocab_size;      // V
  double norm_epsilon;

  int64_t head_size() const { return n_embd / n_head; }  // HS
};

}  // namespace burgeon
