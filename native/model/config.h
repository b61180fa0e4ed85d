// The shape of a model, as lib/config/model-config.ts validates it and lib/config/architecture.ts hands it over. The
// architecture is data: which norm, which MLP, which positions, which biases, whether the head has a matrix of its own.
#pragma once

#include <cstdint>
#include <vector>

namespace burgeon {

// kGelu: fc and fcproj, tanh GELU between them. kSwiglu: gate and fc side by side, silu(gate) * fc.
enum class MlpKind { kGelu, kSwiglu };

// kMuon: Muon for the matrices of layers, which have no second moment; AdamW for all others.
enum class Optimizer { kAdamW, kMuon };

struct ModelConfig {
  int64_t n_layer;         // L
  int64_t n_head;          // NH, query heads
  int64_t n_kv_head;       // KV, key and value heads; divides NH
  int64_t head_size;       // HS
  int64_t n_embd;          // C
  int64_t n_inner;         // F, MLP neurons
  int64_t context_length;  // maxT, number of positions
  int64_t vocab_size;      // V
  double norm_epsilon;
  bool rms_norm;  // RMSNorm, without mean and bias; else LayerNorm
  MlpKind mlp;
  bool qkv_bias;                        // of queries, keys and values
  bool attproj_bias;                    // of the attention's output projection
  bool mlp_bias;                        // of all matrices of the MLP
  bool tied_head;                       // the output head is the token embedding
  std::vector<float> rope_frequencies;  // (HS / 2) radians per position; empty: learned positions
  Optimizer optimizer = Optimizer::kAdamW;

  int64_t queries_per_kv_head() const { return n_head / n_kv_head; }  // query heads that share a key and a value head
  int64_t query_width() const { return n_head * head_size; }
  int64_t qkv_width() const { return (n_head + 2 * n_kv_head) * head_size; }
  bool rotary() const { return !rope_frequencies.empty(); }
};

}  // namespace burgeon
