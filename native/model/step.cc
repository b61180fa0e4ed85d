#include "model/step.h"

#include <algorithm>
#include <type_traits>

#include "core/bfloat16.h"
#include "model/pending_losses.h"

namespace burgeon {

Work& Work::operator+=(const Work& other) {
  qkv += other.qkv;
  scores += other.scores;
  out_projection += other.out_projection;
  mlp += other.mlp;
  head += other.head;
  return *this;
}

template <class T, class W>
void Step<T, W>::reserve(int64_t tokens) {
  losses_.reserve(static_cast<size_t>(tokens));
}

template <class T, class W>
void Step<T, W>::embed(const SequenceRange& whole) {
  const int64_t C = config_.n_embd;
  const M* wpe = p_.global(Role::kWeight, kWpe);
  ops_.embedding_forward(ctx_, a_.embedded, a_.tokens, p_.global(Role::kWeight, kWte),
                         wpe ? wpe + whole.past * C : nullptr, whole.batch, whole.sequence, C);
}

template <class T, class W>
void Step<T, W>::forward(const SequenceRange& group, const SubnetworkPlan& plan, Work* work,
                         const std::vector<KeyValueCache<T>>* caches) {
  view_rows(config_, a_, group.first * group.sequence, &g_);
  // Slot i of the activations belongs to the i-th active layer; an inactive layer is the identity and launches nothing.
  const W* x = g_.embedded;
  for (size_t i = 0; i < plan.layers().size(); ++i) {
    forward_layer(group, plan.layers()[i], o_.layer(i), g_.layers[i], x, caches ? &(*caches)[i] : nullptr, work);
    x = g_.layers[i].output;
  }
  ops_.norm_forward(ctx_, g_.lnf, g_.lnf_mean, g_.lnf_rstd, x, p_.global(Role::kWeight, kLnfw),
                    p_.global(Role::kWeight, kLnfb), group.rows(), config_.n_embd,
                    static_cast<M>(config_.norm_epsilon));
}

template <class T, class W>
void Step<T, W>::forward_layer(const SequenceRange& group, const ActiveLayer& active, const LayerOperands<W>& operands,
                               LayerActivations<T, W>& saved, const W* input, const KeyValueCache<T>* cache,
                               Work* work) {
  const int64_t N = group.rows();
  const int64_t C = config_.n_embd;
  const int64_t HS = config_.head_size;
  const int64_t qkv_cols = (active.heads + 2 * active.kv_heads) * HS;
  const M epsilon = static_cast<M>(config_.norm_epsilon);
  const auto& w = operands.matrix;
  const auto& v = operands.vector;
  const int32_t* head_rows = listed(operands.rows.heads.rows);
  const int32_t* neuron_rows = listed(operands.rows.neurons.rows);
  const int64_t m = ops_.padded(active.neurons);

  // middle = input + layer_scale (head_scale sum over active heads + bias)
  ops_.norm_forward(ctx_, saved.ln1, saved.ln1_mean, saved.ln1_rstd, input, v[kLn1w], v[kLn1b], N, C, epsilon);
  ops_.linear_expand(ctx_, saved.qkv, qkv_cols, saved.ln1, w[kQkvw], v[kQkvb], listed(operands.rows.qkv.rows), N,
                     qkv_cols, C, 1);
  work->qkv += drain();
  rotate(group, active, saved.qkv, false);
  if (cache) {
    ops_.cache_append(ctx_, *cache, saved.qkv, group.batch, group.sequence, active.heads, active.kv_heads, HS);
  }
  if (group.past > 0) {
    KeyValueCache<T> filled = *cache;
    filled.length += group.sequence;
    ops_.attention_cached(ctx_, saved.att, saved.qkv, filled, group.batch, group.sequence, active.heads,
                          active.kv_heads, HS);
  } else {
    ops_.attention_forward(ctx_, saved.att, saved.lse, saved.qkv, group.batch, group.sequence, active.heads,
                           active.kv_heads, HS);
  }
  work->scores += drain();
  ops_.linear_contract(ctx_, saved.middle, saved.att, active.heads * HS, w[kAttprojw], v[kAttprojb], input, head_rows,
                       N, active.heads * HS, C, static_cast<M>(active.layer_scale * active.head_scale),
                       static_cast<M>(active.layer_scale));
  work->out_projection += drain();

  // output = middle + layer_scale (neuron_scale sum over active neurons + bias)
  ops_.norm_forward(ctx_, saved.ln2, saved.ln2_mean, saved.ln2_rstd, saved.middle, v[kLn2w], v[kLn2b], N, C, epsilon);
  if (config_.mlp == MlpKind::kGelu) {
    ops_.mlp_forward(ctx_, saved.act, saved.fc, saved.ln2, w[kFcw], v[kFcb], neuron_rows, N, m, C);
  } else {
    ops_.swiglu_forward(ctx_, saved.act, saved.gate, saved.fc, saved.ln2, w[kGatew], v[kGateb], w[kFcw], v[kFcb],
                        neuron_rows, N, m, C);
  }
  ops_.linear_contract(ctx_, saved.output, saved.act, m, w[kFcprojw], v[kFcprojb], saved.middle, neuron_rows, N, m, C,
                       static_cast<M>(active.layer_scale * active.neuron_scale), static_cast<M>(active.layer_scale));
  const int64_t products = config_.mlp == MlpKind::kGelu ? 2 : 3;
  work->mlp += drain(products * N * (m - active.neurons) * C);
}

template <class T, class W>
void Step<T, W>::loss(const SequenceRange& whole, M gradient_scale, M* logits, Work* forward, Work* backward) {
  const int64_t N = whole.rows();
  const int64_t C = config_.n_embd;
  const int64_t V = config_.vocab_size;
  const int64_t padded_V = ops_.padded(V);
  M* dheadw = p_.global(Role::kGradient, config_.tied_head ? kWte : kHeadw);
  const bool fused = !logits && ops_.fuses_loss && ops_.fuses_loss(ctx_, C);
  for (int64_t begin = 0; begin < N; begin += a_.logit_rows) {
    const int64_t rows = std::min(a_.logit_rows, N - begin);
    const T* lnf = a_.lnf + begin * C;
    if (fused) {
      ops_.head_loss(ctx_, a_.losses + begin, a_.logit_scales, a_.logits, lnf, o_.head(), a_.targets + begin, rows, V,
                     padded_V, a_.logit_stride, C, gradient_scale);
      forward->head += drain(rows * (padded_V - V) * C);
    } else {
      logits_of(begin, rows, forward);
      if (logits) read_logits(logits + begin * V, rows);
      ops_.cross_entropy(ctx_, a_.losses + begin, a_.logits, a_.targets + begin, rows, V, a_.logit_stride,
                         gradient_scale);
    }
    if (gradient_scale == 0) continue;
    W* dnorm = a_.dnorm + begin * C;
    ops_.linear_contract(ctx_, dnorm, a_.logits, a_.logit_stride, o_.head(), nullptr, nullptr, nullptr, rows, padded_V,
                         C, 1, 0);
    if (fused) {
      // The gradient of the residual stream comes later: until then its place is free.
      if constexpr (std::is_same_v<T, W>) ops_.scale_rows(ctx_, dnorm, dnorm, a_.logit_scales, rows, C);
      ops_.scale_rows(ctx_, a_.dbranch, lnf, a_.logit_scales, rows, C);
      lnf = a_.dbranch;
    }
    ops_.linear_weight_gradient(ctx_, dheadw, nullptr, a_.logits, a_.logit_stride, lnf, nullptr, rows, V, C, 1, false);
    backward->head += drain(rows * (padded_V - V) * C);
  }
}

template <class T, class W>
double Step<T, W>::mean_loss(const SequenceRange& whole, int64_t valid) {
  const int64_t N = whole.rows();
  losses_.resize(static_cast<size_t>(N));
  device_.read(losses_.data(), a_.losses, losses_.size() * sizeof(M));
  return mean_of(losses_.data(), N, valid);
}

template <class T, class W>
void Step<T, W>::last_logits(const SequenceRange& whole, M* logits, Work* work) {
  for (int64_t b = 0; b < whole.batch; ++b) {
    logits_of((b + 1) * whole.sequence - 1, 1, work);
    read_logits(logits + b * config_.vocab_size, 1);
  }
}

template <class T, class W>
void Step<T, W>::all_logits(const SequenceRange& whole, M* logits, Work* work) {
  const int64_t N = whole.rows();
  for (int64_t begin = 0; begin < N; begin += a_.logit_rows) {
    const int64_t rows = std::min(a_.logit_rows, N - begin);
    logits_of(begin, rows, work);
    read_logits(logits + begin * config_.vocab_size, rows);
  }
}

template <class T, class W>
void Step<T, W>::logits_of(int64_t begin, int64_t rows, Work* work) {
  const int64_t C = config_.n_embd;
  const int64_t V = ops_.padded(config_.vocab_size);
  ops_.linear_expand(ctx_, a_.logits, a_.logit_stride, a_.lnf + begin * C, o_.head(), nullptr, nullptr, rows, V, C, 1);
  work->head += drain(rows * (V - config_.vocab_size) * C);
}

template <class T, class W>
void Step<T, W>::read_logits(M* to, int64_t rows) {
  const size_t V = static_cast<size_t>(config_.vocab_size);
  for (int64_t i = 0; i < rows; ++i, to += V) {
    const T* from = a_.logits + i * a_.logit_stride;
    if constexpr (std::is_same_v<T, M>) {
      device_.read(to, from, V * sizeof(T));
    } else {
      logits_.resize(V);
      device_.read(logits_.data(), from, V * sizeof(T));
      std::transform(logits_.begin(), logits_.end(), to, [](T value) { return to_float(value); });
    }
  }
}

template <class T, class W>
void Step<T, W>::backward(const SequenceRange& group, const SubnetworkPlan& plan, Work* work) {
  view_rows(config_, a_, group.first * group.sequence, &g_);
  const int64_t N = group.rows();
  const auto input_of = [&](size_t i) { return i == 0 ? g_.embedded : g_.layers[i - 1].output; };
  const auto added_before = [&](size_t i) {
    if (i == 0) return AddedBias{nullptr, 0};
    return AddedBias{o_.layer(i - 1).gradient[kFcprojb], static_cast<M>(plan.layers()[i - 1].layer_scale)};
  };
  device_.clear(g_.dresidual, static_cast<size_t>(N * config_.n_embd) * sizeof(W));
  norm_backward(p_.global(Role::kGradient, kLnfw), p_.global(Role::kGradient, kLnfb),
                added_before(plan.layers().size()), input_of(plan.layers().size()), g_.lnf_mean, g_.lnf_rstd,
                p_.global(Role::kWeight, kLnfw), N);
  for (size_t i = plan.layers().size(); i-- > 0;) {
    backward_layer(group, plan.layers()[i], o_.layer(i), g_.layers[i], input_of(i), added_before(i), work);
  }
}

template <class T, class W>
void Step<T, W>::embed_backward(const SequenceRange& whole) {
  ops_.embedding_backward(ctx_, p_.global(Role::kGradient, kWte), p_.global(Role::kGradient, kWpe), a_.dresidual,
                          a_.tokens, whole.batch, whole.sequence, config_.n_embd);
}

template <class T, class W>
void Step<T, W>::backward_layer(const SequenceRange& group, const ActiveLayer& active, const LayerOperands<W>& operands,
                                LayerActivations<T, W>& saved, const W* input, const AddedBias& before, Work* work) {
  const int64_t N = group.rows();
  const int64_t C = config_.n_embd;
  const int64_t HS = config_.head_size;
  const int64_t m = ops_.padded(active.neurons);
  const int64_t head_cols = active.heads * HS;
  const int64_t qkv_cols = head_cols + 2 * active.kv_heads * HS;
  const M branch_scale = static_cast<M>(active.layer_scale);
  const M head_scale = static_cast<M>(active.layer_scale * active.head_scale);
  const M neuron_scale = static_cast<M>(active.layer_scale * active.neuron_scale);
  const auto& w = operands.matrix;
  const auto& d = operands.gradient;
  const int32_t* qkv_rows = listed(operands.rows.qkv.rows);
  const int32_t* head_rows = listed(operands.rows.heads.rows);
  const int32_t* neuron_rows = listed(operands.rows.neurons.rows);

  // MLP. dresidual, as products read it dbranch, is the gradient of the layer's output, and of `middle` after the
  // norm has added its share.
  T* dfc = g_.dwide;
  T* dgate = g_.dwide + N * m;
  const bool gated = config_.mlp == MlpKind::kSwiglu;
  if (gated) {
    ops_.swiglu_backward(ctx_, dgate, dfc, g_.dbranch, saved.gate, saved.fc, w[kFcprojw], neuron_rows, N, m, C,
                         neuron_scale);
  } else {
    ops_.mlp_backward(ctx_, dfc, g_.dbranch, saved.fc, w[kFcprojw], neuron_rows, N, m, C, neuron_scale);
  }
  weight_gradient(operands, kFcprojw, nullptr, saved.act, m, g_.dbranch, neuron_rows, N, active.neurons, neuron_scale);
  weight_gradient(operands, kFcw, d[kFcb], dfc, m, saved.ln2, neuron_rows, N, active.neurons, 1);
  ops_.linear_contract(ctx_, g_.dnorm, dfc, m, w[kFcw], nullptr, nullptr, neuron_rows, N, m, C, 1, 0);
  if (gated) {
    weight_gradient(operands, kGatew, d[kGateb], dgate, m, saved.ln2, neuron_rows, N, active.neurons, 1);
    ops_.linear_contract(ctx_, g_.dnorm, dgate, m, w[kGatew], nullptr, g_.dnorm, neuron_rows, N, m, C, 1, 0);
  }
  const int64_t padded_products = gated ? 3 : 2;
  work->mlp += drain(padded_products * N * (m - active.neurons) * C);
  norm_backward(d[kLn2w], d[kLn2b], {d[kAttprojb], branch_scale}, saved.middle, saved.ln2_mean, saved.ln2_rstd,
                operands.vector[kLn2w], N);

  // Attention.
  ops_.linear_expand(ctx_, g_.datt, head_cols, g_.dbranch, w[kAttprojw], nullptr, head_rows, N, head_cols, C,
                     head_scale);
  weight_gradient(operands, kAttprojw, nullptr, saved.att, head_cols, g_.dbranch, head_rows, N, head_cols, head_scale);
  work->out_projection += drain();
  ops_.attention_backward(ctx_, g_.dwide, g_.datt, saved.qkv, saved.att, saved.lse, group.batch, group.sequence,
                          active.heads, active.kv_heads, HS);
  work->scores += drain();
  rotate(group, active, g_.dwide, true);
  weight_gradient(operands, kQkvw, d[kQkvb], g_.dwide, qkv_cols, saved.ln1, qkv_rows, N, qkv_cols, 1);
  ops_.linear_contract(ctx_, g_.dnorm, g_.dwide, qkv_cols, w[kQkvw], nullptr, nullptr, qkv_rows, N, qkv_cols, C, 1, 0);
  work->qkv += drain();
  norm_backward(d[kLn1w], d[kLn1b], before, input, saved.ln1_mean, saved.ln1_rstd, operands.vector[kLn1w], N);
}

template <class T, class W>
void Step<T, W>::norm_backward(M* dweight, M* dbias, const AddedBias& before, const W* input, const M* mean,
                               const M* rstd, const M* weight, int64_t n) {
  T* branch = std::is_same_v<T, W> ? nullptr : g_.dbranch;
  ops_.norm_backward(ctx_, g_.dresidual, branch, dweight, dbias, before.gradient, before.scale, g_.dnorm, input, mean,
                     rstd, weight, n, config_.n_embd);
}

template <class T, class W>
void Step<T, W>::rotate(const SequenceRange& group, const ActiveLayer& active, T* qkv, bool inverse) {
  if (!config_.rotary()) return;
  const int64_t rotated = active.heads + active.kv_heads;  // queries and keys lie side by side
  const int64_t stride = (rotated + active.kv_heads) * config_.head_size;
  ops_.rotary(ctx_, qkv, a_.rope + group.past * config_.head_size, group.rows(), group.sequence, stride, rotated,
              config_.head_size, inverse);
}

template <class T, class W>
void Step<T, W>::weight_gradient(const LayerOperands<W>& operands, LayerTensor tensor, M* dbias, const T* p,
                                 int64_t p_stride, const T* q, const int32_t* rows, int64_t n, int64_t row_count,
                                 M alpha) {
  ops_.linear_weight_gradient(ctx_, operands.gradient[tensor], dbias, p, p_stride, q, rows, n, row_count,
                              config_.n_embd, alpha, operands.assigned[tensor]);
}

template class Step<float>;
template class Step<double>;
template class Step<bfloat16>;
template class Step<bfloat16, float>;

}  // namespace burgeon
