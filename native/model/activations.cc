#include "model/activations.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "core/arena.h"
#include "core/bfloat16.h"
#include "model/parameters.h"

namespace burgeon {

namespace {

constexpr int64_t kKeptMicroBatches = 8;  // whose losses are read at once

// Of what is compact in a sampled layer: a group may begin at any row, and lies as well there as at the first.
template <class T>
int64_t aligned_width(int64_t width) {
  constexpr int64_t kAligned = 64 / sizeof(T);
  return (width + kAligned - 1) / kAligned * kAligned;
}

// The one list of buffers with a row for each token: visit(buffer, elements of a row), in the order they lie in. Plans
// and views of them are made by it.
template <class T, class W, class Visit>
void visit_layer_rows(const ModelConfig& config, const Activations<T, W>& a, LayerActivations<T, W>& layer,
                      Visit visit) {
  const int64_t C = config.n_embd;
  const Extent& part = a.shape.part;
  const int64_t F = aligned_width<T>(a.neurons);
  visit(layer.ln1, C);
  if (!config.rms_norm) visit(layer.ln1_mean, 1);
  visit(layer.ln1_rstd, 1);
  visit(layer.qkv, aligned_width<T>((part.heads + 2 * part.kv_heads) * config.head_size));
  visit(layer.att, aligned_width<T>(part.heads * config.head_size));
  visit(layer.lse, part.heads);
  visit(layer.middle, C);
  visit(layer.ln2, C);
  if (!config.rms_norm) visit(layer.ln2_mean, 1);
  visit(layer.ln2_rstd, 1);
  if (config.mlp == MlpKind::kSwiglu) visit(layer.gate, F);
  visit(layer.fc, F);
  visit(layer.act, F);
  visit(layer.output, C);
}

template <class T, class W, class Visit>
void visit_rows(const ModelConfig& config, Activations<T, W>& a, Visit visit) {
  const int64_t C = config.n_embd;
  visit(a.embedded, C);
  for (size_t i = 0; i < a.layers.size(); ++i) {
    // Without gradients nothing of a layer is needed after it: the next one may overwrite even the residual stream,
    // which it has read by the time it writes its own.
    if (!a.shape.gradients && i > 0) {
      a.layers[i] = a.layers[0];
    } else {
      visit_layer_rows(config, a, a.layers[i], visit);
    }
  }
  visit(a.lnf, C);
  if (!config.rms_norm) visit(a.lnf_mean, 1);
  visit(a.lnf_rstd, 1);
  visit(a.losses, 1);
  if (!a.shape.gradients) return;
  visit(a.dresidual, C);
  if constexpr (std::is_same_v<T, W>) {
    a.dbranch = a.dresidual;
  } else {
    visit(a.dbranch, C);
  }
  visit(a.dnorm, C);
}

}  // namespace

ActivationShape ActivationShape::joined(const ActivationShape& other) const {
  return {std::max(rows, other.rows),
          std::max(sequence, other.sequence),
          gradients || other.gradients,
          {std::max(part.layers, other.part.layers), std::max(part.heads, other.part.heads),
           std::max(part.kv_heads, other.part.kv_heads), std::max(part.neurons, other.part.neurons)}};
}

template <class T, class W>
size_t plan_activations(const ModelConfig& config, const ActivationShape& shape, const Ops<T, W>& ops, int threads,
                        char* base, Activations<T, W>* activations, size_t* scratch_bytes) {
  using M = Master<T>;
  ArenaCursor cursor(base, ops.alignment);
  Activations<T, W>& a = *activations;
  const int64_t N = shape.rows;
  const int64_t V = config.vocab_size;
  const int64_t query_width = shape.part.heads * config.head_size;
  const int64_t qkv_width = query_width + 2 * shape.part.kv_heads * config.head_size;
  const bool gated = config.mlp == MlpKind::kSwiglu;
  a = Activations<T, W>();
  a.shape = shape;
  a.neurons = ops.padded(shape.part.neurons);
  const int64_t F = a.neurons;
  a.layers.resize(static_cast<size_t>(shape.part.layers));

  a.tokens = cursor.take<int32_t>(N + (ops.token_order_words ? ops.token_order_words(N) : 0));
  a.targets = cursor.take<int32_t>(N);
  a.rope = config.rotary() ? cursor.take<M>(shape.sequence * config.head_size) : nullptr;
  visit_rows(config, a, [&](auto*& buffer, int64_t width) {
    buffer = cursor.take<std::remove_reference_t<decltype(*buffer)>>(N * width);
  });
  if (shape.gradients) {
    a.dwide = cursor.take<T>(N * std::max(qkv_width, gated ? 2 * F : F));
    a.datt = cursor.take<T>(N * query_width);
    a.kept_rows = kKeptMicroBatches * N;
    a.kept_losses = cursor.take<M>(a.kept_rows);
  }
  a.logit_stride = ops.logit_stride(V);
  a.logit_rows = ops.logit_rows(N, V);
  a.logits = cursor.take<T>(a.logit_rows * a.logit_stride);
  if (ops.fuses_loss) a.logit_scales = cursor.take<M>(a.logit_rows);
  const std::vector<Tensor> tensors = list_tensors(config);
  const int64_t blocks = block_count(tensors);
  a.sums = cursor.take<double>(blocks);
  int64_t parameters = 0;
  for (const Tensor& tensor : tensors) parameters += tensor.size();
  const ScratchSize scratch = ops.scratch_size(
      {N, shape.sequence, config.n_embd, std::max(qkv_width, F), config.head_size, V, blocks, parameters});
  *scratch_bytes = (scratch.per_thread + 63) / 64 * 64;
  const size_t before = cursor.used();
  a.shared_scratch = cursor.take<char>(static_cast<int64_t>(scratch.shared));
  a.thread_scratch = cursor.take<char>(static_cast<int64_t>(*scratch_bytes) * threads);
  a.scratch_bytes = cursor.used() - before;
  return cursor.used();
}

template <class T, class W>
void view_rows(const ModelConfig& config, const Activations<T, W>& all, int64_t row, Activations<T, W>* group) {
  *group = all;
  group->tokens += row;
  group->targets += row;
  visit_rows(config, *group, [&](auto*& buffer, int64_t width) { buffer += row * width; });
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
