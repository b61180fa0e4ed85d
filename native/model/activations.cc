#include "model/activations.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "core/arena.h"
#include "core/bfloat16.h"
#include "model/parameters.h"

namespace burgeon {

namespace {

constexpr int64_t kMinLogitRows = 64;

// Of what is compact in a sampled layer: a group may begin at any row, and lies as well there as at the first.
template <class T>
int64_t aligned_width(int64_t width) {
  constexpr int64_t kAligned = 64 / sizeof(T);
  return (width + kAligned - 1) / kAligned * kAligned;
}

}  // namespace

template <class T, class W>
size_t plan_activations(const ModelConfig& config, const ActivationShape& shape, const Ops<T, W>& ops, int threads,
                        char* base, Activations<T, W>* activations, size_t* scratch_bytes) {
  using M = Master<T>;
  ArenaCursor cursor(base);
  Activations<T, W>& a = *activations;
  const int64_t N = shape.rows;
  const int64_t C = config.n_embd;
  const int64_t F = config.n_inner;
  const int64_t V = config.vocab_size;
  const bool gated = config.mlp == MlpKind::kSwiglu;
  const auto means = [&] { return config.rms_norm ? nullptr : cursor.take<M>(N); };

  a.tokens = cursor.take<int32_t>(N + (ops.token_order_words ? ops.token_order_words(N) : 0));
  a.targets = cursor.take<int32_t>(N);
  a.rope = config.rotary() ? cursor.take<M>(shape.sequence * config.head_size) : nullptr;
  a.embedded = cursor.take<W>(N * C);
  a.layers.resize(config.n_layer);
  for (int64_t i = 0; i < config.n_layer; ++i) {
    LayerActivations<T, W>& layer = a.layers[i];
    // Without gradients nothing of a layer is needed after it: the next one may overwrite even the residual stream,
    // which it has read by the time it writes its own.
    if (!shape.gradients && i > 0) {
      layer = a.layers[0];
      continue;
    }
    layer.ln1 = cursor.take<T>(N * C);
    layer.ln1_mean = means();
    layer.ln1_rstd = cursor.take<M>(N);
    layer.qkv = cursor.take<T>(N * aligned_width<T>(config.qkv_width()));
    layer.att = cursor.take<T>(N * aligned_width<T>(config.query_width()));
    layer.lse = cursor.take<M>(N * config.n_head);
    layer.middle = cursor.take<W>(N * C);
    layer.ln2 = cursor.take<T>(N * C);
    layer.ln2_mean = means();
    layer.ln2_rstd = cursor.take<M>(N);
    layer.gate = gated ? cursor.take<T>(N * aligned_width<T>(F)) : nullptr;
    layer.fc = cursor.take<T>(N * aligned_width<T>(F));
    layer.act = cursor.take<T>(N * aligned_width<T>(F));
    layer.output = cursor.take<W>(N * C);
  }
  a.lnf = cursor.take<T>(N * C);
  a.lnf_mean = means();
  a.lnf_rstd = cursor.take<M>(N);
  a.losses = cursor.take<M>(N);
  // Blocks of equal height: a low last one would cost nearly as much as a high one.
  a.logit_stride = (V + ops.logit_multiple - 1) / ops.logit_multiple * ops.logit_multiple;
  const int64_t most = std::max(kMinLogitRows, ops.logit_bytes / (a.logit_stride * static_cast<int64_t>(sizeof(T))));
  const int64_t blocks = (N + most - 1) / most;
  a.logit_rows = (N + blocks - 1) / blocks;
  a.logits = cursor.take<T>(a.logit_rows * a.logit_stride);
  a.sums = cursor.take<double>(kGlobalTensors + config.n_layer * kLayerTensors);
  if (shape.gradients) {
    a.dresidual = cursor.take<W>(N * C);
    if constexpr (std::is_same_v<T, W>) {
      a.dbranch = a.dresidual;
    } else {
      a.dbranch = cursor.take<T>(N * C);
    }
    a.dnorm = cursor.take<W>(N * C);
    a.dwide = cursor.take<T>(N * std::max(config.qkv_width(), gated ? 2 * F : F));
    a.datt = cursor.take<T>(N * config.query_width());
  }
  const int64_t wide = std::max(config.qkv_width(), F);
  const std::vector<Tensor> tensors = list_tensors(config);
  int64_t parameters = 0;
  for (const Tensor& tensor : tensors) parameters += tensor.size();
  const ScratchSize scratch = ops.scratch_size(
      {N, shape.sequence, C, wide, config.head_size, V, static_cast<int64_t>(tensors.size()), parameters});
  *scratch_bytes = (scratch.per_thread + 63) / 64 * 64;
  const size_t before = cursor.used();
  a.shared_scratch = cursor.take<char>(static_cast<int64_t>(scratch.shared));
  a.thread_scratch = cursor.take<char>(static_cast<int64_t>(*scratch_bytes) * threads);
  a.scratch_bytes = cursor.used() - before;
  return cursor.used();
}

template <class T, class W>
void view_rows(const ModelConfig& config, const Activations<T, W>& all, int64_t row, Activations<T, W>* group) {
  const int64_t C = config.n_embd;
  const int64_t F = aligned_width<T>(config.n_inner);
  const auto skip = [&](auto& pointer, int64_t width) {
    if (pointer) pointer += row * width;
  };
  *group = all;
  skip(group->tokens, 1);
  skip(group->targets, 1);
  skip(group->embedded, C);
  for (LayerActivations<T, W>& layer : group->layers) {
    skip(layer.ln1, C);
    skip(layer.ln1_mean, 1);
    skip(layer.ln1_rstd, 1);
    skip(layer.qkv, aligned_width<T>(config.qkv_width()));
    skip(layer.att, aligned_width<T>(config.query_width()));
    skip(layer.lse, config.n_head);
    skip(layer.middle, C);
    skip(layer.ln2, C);
    skip(layer.ln2_mean, 1);
    skip(layer.ln2_rstd, 1);
    skip(layer.gate, F);
    skip(layer.fc, F);
    skip(layer.act, F);
    skip(layer.output, C);
  }
  skip(group->lnf, C);
  skip(group->lnf_mean, 1);
  skip(group->lnf_rstd, 1);
  skip(group->losses, 1);
  skip(group->dresidual, C);
  skip(group->dbranch, C);
  skip(group->dnorm, C);
}

template <class T>
std::vector<T> rope_table(const ModelConfig& config, int64_t sequence) {
  const int64_t half = config.head_size / 2;
  std::vector<T> table(static_cast<size_t>(sequence * config.head_size));
  for (int64_t t = 0; t < sequence; ++t) {
    for (int64_t d = 0; d < half; ++d) {
      // The product rounded to float, as transformers has it.
      const float angle = static_cast<float>(t) * config.rope_frequencies[d];
      table[(2 * t) * half + d] = static_cast<T>(std::cos(static_cast<double>(angle)));
      table[(2 * t + 1) * half + d] = static_cast<T>(std::sin(static_cast<double>(angle)));
    }
  }
  return table;
}

template std::vector<float> rope_table<float>(const ModelConfig&, int64_t);
template std::vector<double> rope_table<double>(const ModelConfig&, int64_t);
#define BURGEON_PLAN_ACTIVATIONS(T, W)                                                                       \
  template size_t plan_activations(const ModelConfig&, const ActivationShape&, const Ops<T, W>&, int, char*, \
                                   Activations<T, W>*, size_t*);                                             \
  template void view_rows(const ModelConfig&, const Activations<T, W>&, int64_t, Activations<T, W>*);
BURGEON_PLAN_ACTIVATIONS(float, float)
BURGEON_PLAN_ACTIVATIONS(double, double)
BURGEON_PLAN_ACTIVATIONS(bfloat16, bfloat16)
BURGEON_PLAN_ACTIVATIONS(bfloat16, float)
#undef BURGEON_PLAN_ACTIVATIONS

}  // namespace burgeon
