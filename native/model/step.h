// Forward, loss and backward of a training step, in reading order; update.h has the rest of it. Generic over the
// backend (a table of ops and a device) and the element type; validates nothing (model.cc did) and allocates nothing.
#pragma once

#include "backend/backend.h"
#include "core/device.h"
#include "model/activations.h"
#include "model/micro_batch.h"
#include "model/operands.h"
#include "model/parameters.h"
#include "model/subnetwork.h"

namespace burgeon {

// Multiply-adds executed, by component (docs/method.md, "Counting FLOPs"); one multiply-add is two FLOPs.
struct Work {
  int64_t qkv = 0;
  int64_t scores = 0;  // q k^T and p v, lower triangle
  int64_t out_projection = 0;
  int64_t mlp = 0;
  int64_t head = 0;

  Work& operator+=(const Work& other);
};

template <class T, class W = T>
class Step {
 public:
  using M = Master<T>;

  Step(const ModelConfig& config, const Ops<T, W>& ops, Device& device, Parameters<M>& parameters,
       Operands<T, W>& operands, Activations<T, W>& activations, OpContext& context)
      : config_(config), ops_(ops), device_(device), p_(parameters), o_(operands), a_(activations), ctx_(context) {}

  // Room on the host for what is read back of so many tokens.
  void reserve(int64_t tokens);

  // What every subnetwork shares is done for the whole micro-batch, here and in loss() and embed_backward(); what lies
  // between for one group after another.
  void embed(const SequenceRange& whole);

  // The operands of the plan must be prepared. Active layers and final norm of a group: fills its rows of a.lnf. With
  // `caches`, one per active layer and all of length group.past, keys and values are stored there, and attention also
  // sees those of the tokens before.
  void forward(const SequenceRange& group, const SubnetworkPlan& plan, Work* work,
               const std::vector<KeyValueCache<T>>* caches = nullptr);

  // The loss of every target, for mean_loss(). With gradient_scale != 0 also leaves gradient_scale * d (sum of the
  // losses) / d lnf in a.dnorm and adds the head's share of the embedding gradient; with 0 there is nothing for
  // backward() to read. logits: (N, V) on the host, or null.
  void loss(const SequenceRange& whole, M gradient_scale, M* logits, Work* forward, Work* backward);
  // Mean over the targets that are not -1, of which there are `valid` > 0.
  double mean_loss(const SequenceRange& whole, int64_t valid);

  // Logits of the last position of every sequence, (B, V) on the host, without targets.
  void last_logits(const SequenceRange& whole, M* logits, Work* work);
  // Logits of all positions, (N, V) on the host, without targets.
  void all_logits(const SequenceRange& whole, M* logits, Work* work);

  // Adds the gradients of a group's layers and of the final norm, given its rows of a.dnorm from loss(), and leaves the
  // gradient of the embedded tokens in those of a.dresidual.
  void backward(const SequenceRange& group, const SubnetworkPlan& plan, Work* work);
  // Adds the gradients of the embeddings.
  void embed_backward(const SequenceRange& whole);

 private:
  void forward_layer(const SequenceRange& group, const ActiveLayer& active, const LayerOperands<W>& operands,
                     LayerActivations<T, W>& saved, const W* input, const KeyValueCache<T>* cache, Work* work);
  // A bias that a projection adds to the residual stream, `scale` times; null where there is none. The norm that reads
  // the sum makes its gradient, which is that of the stream.
  struct AddedBias {
    M* gradient;
    M scale;
  };
  // `before`: what the layer before adds to `input`.
  void backward_layer(const SequenceRange& group, const ActiveLayer& active, const LayerOperands<W>& operands,
                      LayerActivations<T, W>& saved, const W* input, const AddedBias& before, Work* work);
  // Logits of rows [begin, begin + rows) of lnf into a.logits.
  void logits_of(int64_t begin, int64_t rows, Work* work);
  // Copies rows of a.logits to the host.
  void read_logits(M* to, int64_t rows);
  // Turns queries and keys (forward), or their gradients back; nothing with learned positions.
  void rotate(const SequenceRange& group, const ActiveLayer& active, T* qkv, bool inverse);
  // Adds to the gradient of the residual stream what comes through a norm, and makes that of the bias added before it.
  void norm_backward(M* dweight, M* dbias, const AddedBias& before, const W* input, const M* mean, const M* rstd,
                     const M* weight, int64_t n);
  // The gradient of a matrix and, unless it is null, of a bias that has its rows.
  void weight_gradient(const LayerOperands<W>& operands, LayerTensor tensor, M* dbias, const T* p, int64_t p_stride,
                       const T* q, const int32_t* rows, int64_t n, int64_t row_count, M alpha);
  // Row lists of products: a compact backend has none.
  const int32_t* listed(const int32_t* rows) const { return ops_.compact ? nullptr : rows; }
  // Multiply-adds since the last call, without `padding`: those with rows of zeros, which a backend may want and nobody
  // asked for.
  int64_t drain(int64_t padding = 0) {
    const int64_t done = ctx_.multiply_adds - padding;
    ctx_.multiply_adds = 0;
    return done;
  }

  const ModelConfig& config_;
  const Ops<T, W>& ops_;
  Device& device_;
  Parameters<M>& p_;
  Operands<T, W>& o_;
  Activations<T, W>& a_;
  Activations<T, W> g_;  // those of the present group
  OpContext& ctx_;
  std::vector<M> losses_;  // read back
  std::vector<T> logits_;
};

}  // namespace burgeon
