#include "model/step.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace burgeon {

template <class T>
void Step<T>::forward(const Group& group, const SubnetworkPlan& plan, Work* work,
                      const std::vector<KeyValueCache<T>>* caches) {
  const int64_t C = config_.n_embd;
  const T* wpe = p_.global(Role::kWeight, kWpe);
  ops_.embedding_forward(ctx_, a_.embedded, a_.tokens, p_.global(Role::kWeight, kWte),
                         wpe ? wpe + group.past * C : nullptr, group.batch, group.sequence, C);
  // Slot i of the activations belongs to the i-th active layer; an inactive layer is the identity and launches nothing.
  const T* x = a_.embedded;
  for (size_t i = 0; i < plan.layers().size(); ++i) {
    forward_layer(group, plan.layers()[i], a_.layers[i], x, caches ? &(*caches)[i] : nullptr, work);
    x = a_.layers[i].output;
  }
  ops_.norm_forward(ctx_, a_.lnf, a_.lnf_mean, a_.lnf_rstd, x, p_.global(Role::kWeight, kLnfw),
                    p_.global(Role::kWeight, kLnfb), group.batch * group.sequence, C,
                    static_cast<T>(config_.norm_epsilon));
}

template <class T>
void Step<T>::forward_layer(const Group& group, const ActiveLayer& active, LayerActivations<T>& saved, const T* input,
                            const KeyValueCache<T>* cache, Work* work) {
  const int64_t N = group.batch * group.sequence;
  const int64_t C = config_.n_embd;
  const int64_t HS = config_.head_size;
  const int64_t qkv_cols = (active.heads + 2 * active.kv_heads) * HS;
  const T epsilon = static_cast<T>(config_.norm_epsilon);
  const auto w = [&](LayerTensor tensor) { return p_.layer(Role::kWeight, active.layer, tensor); };

  // middle = input + layer_scale (NH/A sum over active heads + bias)
  ops_.norm_forward(ctx_, saved.ln1, saved.ln1_mean, saved.ln1_rstd, input, w(kLn1w), w(kLn1b), N, C, epsilon);
  ops_.linear_expand(ctx_, saved.qkv, saved.ln1, w(kQkvw), w(kQkvb), active.qkv_rows, N, qkv_cols, C, 1);
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
  ops_.linear_contract(ctx_, saved.middle, saved.att, w(kAttprojw), w(kAttprojb), input, active.head_rows, N,
                       active.heads * HS, C, static_cast<T>(group.layer_scale * active.head_scale),
                       static_cast<T>(group.layer_scale));
  work->out_projection += drain();

  // output = middle + layer_scale (F/m sum over active neurons + bias)
  ops_.norm_forward(ctx_, saved.ln2, saved.ln2_mean, saved.ln2_rstd, saved.middle, w(kLn2w), w(kLn2b), N, C, epsilon);
  if (config_.mlp == MlpKind::kGelu) {
    ops_.mlp_forward(ctx_, saved.act, saved.fc, saved.ln2, w(kFcw), w(kFcb), active.neuron_rows, N, active.neurons, C);
  } else {
    ops_.swiglu_forward(ctx_, saved.act, saved.gate, saved.fc, saved.ln2, w(kGatew), w(kGateb), w(kFcw), w(kFcb),
                        active.neuron_rows, N, active.neurons, C);
  }
  ops_.linear_contract(ctx_, saved.output, saved.act, w(kFcprojw), w(kFcprojb), saved.middle, active.neuron_rows, N,
                       active.neurons, C, static_cast<T>(group.layer_scale * active.neuron_scale),
                       static_cast<T>(group.layer_scale));
  work->mlp += drain();
}

template <class T>
double Step<T>::loss(const Group& group, int64_t valid, T gradient_scale, T* logits, Work* forward, Work* backward) {
  const int64_t N = group.batch * group.sequence;
  const int64_t C = config_.n_embd;
  const int64_t V = config_.vocab_size;
  const T* headw = p_.global(Role::kWeight, head());
  T* dheadw = p_.global(Role::kGradient, head());
  for (int64_t begin = 0; begin < N; begin += a_.logit_rows) {
    const int64_t rows = std::min(a_.logit_rows, N - begin);
    const T* lnf = a_.lnf + begin * C;
    ops_.linear_expand(ctx_, a_.logits, lnf, headw, nullptr, nullptr, rows, V, C, 1);
    forward->head += drain();
    if (logits) std::memcpy(logits + begin * V, a_.logits, static_cast<size_t>(rows * V) * sizeof(T));
    ops_.cross_entropy(ctx_, a_.losses + begin, a_.logits, a_.targets + begin, rows, V, gradient_scale);
    if (gradient_scale == 0) continue;
    ops_.linear_contract(ctx_, a_.dnorm + begin * C, a_.logits, headw, nullptr, nullptr, nullptr, rows, V, C, 1, 0);
    ops_.linear_weight_gradient(ctx_, dheadw, a_.logits, lnf, nullptr, rows, V, C, 1);
    backward->head += drain();
  }
  double sum = 0;
  for (int64_t i = 0; i < N; ++i) sum += a_.losses[i];
  return sum / static_cast<double>(valid);
}

template <class T>
void Step<T>::last_logits(const Group& group, T* logits, Work* work) {
  const int64_t C = config_.n_embd;
  const int64_t V = config_.vocab_size;
  for (int64_t b = 0; b < group.batch; ++b) {
    const T* last = a_.lnf + ((b + 1) * group.sequence - 1) * C;
    ops_.linear_expand(ctx_, logits + b * V, last, p_.global(Role::kWeight, head()), nullptr, nullptr, 1, V, C, 1);
  }
  work->head += drain();
}

template <class T>
void Step<T>::all_logits(const Group& group, T* logits, Work* work) {
  const int64_t N = group.batch * group.sequence;
  ops_.linear_expand(ctx_, logits, a_.lnf, p_.global(Role::kWeight, head()), nullptr, nullptr, N, config_.vocab_size,
                     config_.n_embd, 1);
  work->head += drain();
}

template <class T>
void Step<T>::backward(const Group& group, const SubnetworkPlan& plan, Work* work) {
  const int64_t N = group.batch * group.sequence;
  const int64_t C = config_.n_embd;
  const auto input_of = [&](size_t i) { return i == 0 ? a_.embedded : a_.layers[i - 1].output; };
  std::memset(a_.dresidual, 0, static_cast<size_t>(N * C) * sizeof(T));
  ops_.norm_backward(ctx_, a_.dresidual, p_.global(Role::kGradient, kLnfw), p_.global(Role::kGradient, kLnfb), a_.dnorm,
                     input_of(plan.layers().size()), a_.lnf_mean, a_.lnf_rstd, p_.global(Role::kWeight, kLnfw), N, C);
  for (size_t i = plan.layers().size(); i-- > 0;) {
    backward_layer(group, plan.layers()[i], a_.layers[i], input_of(i), work);
  }
  ops_.embedding_backward(ctx_, p_.global(Role::kGradient, kWte), p_.global(Role::kGradient, kWpe), a_.dresidual,
                          a_.tokens, group.batch, group.sequence, C);
}

template <class T>
void Step<T>::backward_layer(const Group& group, const ActiveLayer& active, LayerActivations<T>& saved, const T* input,
                             Work* work) {
  const int64_t N = group.batch * group.sequence;
  const int64_t C = config_.n_embd;
  const int64_t HS = config_.head_size;
  const int64_t m = active.neurons;
  const int64_t head_cols = active.heads * HS;
  const int64_t qkv_cols = head_cols + 2 * active.kv_heads * HS;
  const T branch_scale = static_cast<T>(group.layer_scale);
  const T head_scale = static_cast<T>(group.layer_scale * active.head_scale);
  const T neuron_scale = static_cast<T>(group.layer_scale * active.neuron_scale);
  const auto w = [&](LayerTensor tensor) { return p_.layer(Role::kWeight, active.layer, tensor); };
  const auto d = [&](LayerTensor tensor) { return p_.layer(Role::kGradient, active.layer, tensor); };

  // MLP. a.dresidual is the gradient of the layer's output, and of `middle` after the norm has added its share.
  T* dfc = a_.dwide;
  T* dgate = a_.dwide + N * m;
  const bool gated = config_.mlp == MlpKind::kSwiglu;
  if (gated) {
    ops_.swiglu_backward(ctx_, dgate, dfc, a_.dresidual, saved.gate, saved.fc, w(kFcprojw), active.neuron_rows, N, m, C,
                         neuron_scale);
  } else {
    ops_.mlp_backward(ctx_, dfc, a_.dresidual, saved.fc, w(kFcprojw), active.neuron_rows, N, m, C, neuron_scale);
  }
  ops_.linear_weight_gradient(ctx_, d(kFcprojw), saved.act, a_.dresidual, active.neuron_rows, N, m, C, neuron_scale);
  bias_gradient(d(kFcprojb), a_.dresidual, nullptr, N, C, branch_scale);
  ops_.linear_weight_gradient(ctx_, d(kFcw), dfc, saved.ln2, active.neuron_rows, N, m, C, 1);
  bias_gradient(d(kFcb), dfc, active.neuron_rows, N, m, 1);
  ops_.linear_contract(ctx_, a_.dnorm, dfc, w(kFcw), nullptr, nullptr, active.neuron_rows, N, m, C, 1, 0);
  if (gated) {
    ops_.linear_weight_gradient(ctx_, d(kGatew), dgate, saved.ln2, active.neuron_rows, N, m, C, 1);
    bias_gradient(d(kGateb), dgate, active.neuron_rows, N, m, 1);
    ops_.linear_contract(ctx_, a_.dnorm, dgate, w(kGatew), nullptr, a_.dnorm, active.neuron_rows, N, m, C, 1, 0);
  }
  work->mlp += drain();
  ops_.norm_backward(ctx_, a_.dresidual, d(kLn2w), d(kLn2b), a_.dnorm, saved.middle, saved.ln2_mean, saved.ln2_rstd,
                     w(kLn2w), N, C);

  // Attention.
  ops_.linear_expand(ctx_, a_.datt, a_.dresidual, w(kAttprojw), nullptr, active.head_rows, N, head_cols, C, head_scale);
  ops_.linear_weight_gradient(ctx_, d(kAttprojw), saved.att, a_.dresidual, active.head_rows, N, head_cols, C,
                              head_scale);
  bias_gradient(d(kAttprojb), a_.dresidual, nullptr, N, C, branch_scale);
  work->out_projection += drain();
  ops_.attention_backward(ctx_, a_.dwide, a_.datt, saved.qkv, saved.att, saved.lse, group.batch, group.sequence,
                          active.heads, active.kv_heads, HS);
  work->scores += drain();
  rotate(group, active, a_.dwide, true);
  ops_.linear_weight_gradient(ctx_, d(kQkvw), a_.dwide, saved.ln1, active.qkv_rows, N, qkv_cols, C, 1);
  bias_gradient(d(kQkvb), a_.dwide, active.qkv_rows, N, qkv_cols, 1);
  ops_.linear_contract(ctx_, a_.dnorm, a_.dwide, w(kQkvw), nullptr, nullptr, active.qkv_rows, N, qkv_cols, C, 1, 0);
  work->qkv += drain();
  ops_.norm_backward(ctx_, a_.dresidual, d(kLn1w), d(kLn1b), a_.dnorm, input, saved.ln1_mean, saved.ln1_rstd, w(kLn1w),
                     N, C);
}

template <class T>
void Step<T>::rotate(const Group& group, const ActiveLayer& active, T* qkv, bool inverse) {
  if (!config_.rotary()) return;
  const int64_t rotated = active.heads + active.kv_heads;  // queries and keys lie side by side
  const int64_t stride = (rotated + active.kv_heads) * config_.head_size;
  ops_.rotary(ctx_, qkv, a_.rope + group.past * config_.head_size, group.batch * group.sequence, group.sequence, stride,
              rotated, config_.head_size, inverse);
}

template <class T>
void Step<T>::bias_gradient(T* db, const T* p, const int32_t* rows, int64_t n, int64_t row_count, T alpha) {
  if (db) ops_.linear_bias_gradient(ctx_, db, p, rows, n, row_count, alpha);
}

template <class T>
template <class Visit>
void Step<T>::for_each_row_list(TouchedUnits& touched, bool only_touched, Visit visit) {
  int64_t layer = -1;
  TouchedUnits::Rows rows{};
  for (const Tensor& tensor : p_.tensors()) {
    // A tensor whose rows all take part is one run of contiguous elements.
    const auto whole = [&] { visit(tensor, nullptr, 1, tensor.size()); };
    const auto listed = [&](const int32_t* list, int64_t count) {
      if (list) {
        visit(tensor, list, count, tensor.cols);
      } else {
        whole();
      }
    };
    if (!only_touched || tensor.sampled == Sampled::kNever) {
      whole();
      continue;
    }
    if (!touched.layer(tensor.layer)) continue;
    if (tensor.layer != layer) {
      layer = tensor.layer;
      rows = touched.rows(layer);
    }
    if (tensor.sampled == Sampled::kByLayer) {
      whole();
    } else if (tensor.sampled == Sampled::kQkvRows) {
      listed(rows.qkv, rows.qkv_count);
    } else if (tensor.sampled == Sampled::kHeadRows) {
      listed(rows.head, rows.head_count);
    } else {
      listed(rows.neurons, rows.neuron_count);
    }
  }
}

template <class T>
double Step<T>::update(const OptimizerStep& step, TouchedUnits& touched) {
  // Gradients of what no group touched are zero, so leaving them out gives the same norm.
  double squares = 0;
  for_each_row_list(touched, true, [&](const Tensor& tensor, const int32_t* rows, int64_t count, int64_t cols) {
    squares += ops_.sum_of_squares(ctx_, p_.data(Role::kGradient, tensor), rows, count, cols);
  });
  const double norm = std::sqrt(squares);
  if (!std::isfinite(norm)) return norm;
  const double scale = step.clip > 0 && norm > step.clip ? step.clip / norm : 1.0;

  AdamWStep adamw{step.learning_rate,
                  step.beta1,
                  step.beta2,
                  step.epsilon,
                  0.0,
                  scale,
                  1.0 - std::pow(step.beta1, static_cast<double>(step.step)),
                  1.0 - std::pow(step.beta2, static_cast<double>(step.step))};
  for_each_row_list(touched, step.freeze, [&](const Tensor& tensor, const int32_t* rows, int64_t count, int64_t cols) {
    adamw.weight_decay = tensor.decays ? step.weight_decay : 0.0;
    ops_.adamw(ctx_, p_.data(Role::kWeight, tensor), p_.data(Role::kGradient, tensor), p_.data(Role::kMoment1, tensor),
               p_.data(Role::kMoment2, tensor), rows, count, cols, adamw);
  });
  touched.clear();
  return norm;
}

template class Step<float>;
template class Step<double>;

}  // namespace burgeon
