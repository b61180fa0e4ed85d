// A model with everything it owns: parameters, activations, threads. The only entry into the engine; validates its
// arguments, so that steps and kernels need not. Not thread-safe: one call at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backend/select.h"
#include "backend/timed.h"
#include "core/communicator.h"
#include "model/config.h"
#include "model/memory_plan.h"
#include "model/micro_batch.h"
#include "model/parameters.h"
#include "model/row_copy.h"
#include "model/step.h"
#include "model/subnetwork.h"
#include "model/update.h"

namespace burgeon {

struct ModelOptions : BackendOptions {
  int threads = 1;       // of the cpu
  bool profile = false;  // whether every op is timed
  bool graphs = true;    // whether devices that can keep what a micro-batch queues, and replay it (model/recordings.h)
  int64_t batch = 0;     // largest training batch to come, sequences and tokens of each; 0: not known
  int64_t sequence = 0;
  RowShards shards;  // which moments are kept here; all, where there is one rank
};

enum class Logits { kNone, kLast, kAll };

struct StepResult {
  double loss = 0;  // mean nats per target; 0 without targets
  Work forward;
  Work backward;
  int64_t kernels = 0;  // that a device ran for forward and backward, from its operands to the losses; 0: not counted
};

class Model {
 public:
  // Weights, gradients and moments are zero. Where a batch is to come that does not fit, refuses before anything is
  // allocated. Throws Error(kBackend, kCuda, kOutOfMemory).
  static std::unique_ptr<Model> create(const ModelConfig& config, const ModelOptions& options);
  // What such a model takes with training batches of B x T tokens. No device is needed. Throws Error(kBackend, kCuda).
  // `part`: what takes part at most.
  static MemoryPlan plan(const ModelConfig& config, const ModelOptions& options, int64_t batch, int64_t sequence,
                         const Extent& part);
  virtual ~Model() = default;

  const ModelConfig& config() const { return config_; }
  const Selection& selection() const { return selection_; }
  Precision precision() const { return precision_; }
  int threads() const { return threads_; }
  virtual int element_size() const = 0;
  virtual const std::vector<Tensor>& tensors() const = 0;
  virtual size_t parameter_bytes() const = 0;
  virtual size_t activation_bytes() const = 0;
  // What links the device with those of other ranks, for people; empty where nothing does.
  virtual std::string links() const = 0;

  // Bytes that activations of this shape take, without taking them.
  virtual size_t plan_bytes(int64_t batch, int64_t sequence, bool gradients) const = 0;

  // Copies rows [row, row + rows) of a tensor; `data` holds rows * tensors()[index].cols elements of element_size()
  // bytes. Throws Error(kShape) for moments that are divided over ranks.
  virtual void read(Role role, size_t index, int64_t row, int64_t rows, void* data) = 0;
  virtual void write(Role role, size_t index, int64_t row, int64_t rows, const void* data) = 0;

  // logits: (B, V) for kLast, (B, T, V) for kAll, element_size() bytes each. Throws Error(kShape, kData, kNonfinite).
  virtual StepResult forward(const MicroBatch& batch, Logits which, void* logits) = 0;

  // Reads tokens (B, T) that follow the `past` tokens read before (0: a new text, with room for `capacity` tokens per
  // sequence) and gives the logits (B, V) of the last: the same function as forward() over all of them, without reading
  // those again. B and the subnetwork, that of the only group, must stay the same. Throws Error(kShape, kData,
  // kOutOfMemory).
  virtual StepResult extend(const MicroBatch& batch, int64_t past, int64_t capacity, void* logits) = 0;

  // Adds weight * gradient of the mean loss, of all groups together. A loss that is not finite throws Error(kNonfinite)
  // and clears the gradients.
  virtual StepResult forward_backward(const MicroBatch& batch, double weight) = 0;

  // The same without waiting for the loss, which take_losses() has: a device goes on with the next micro-batch at once.
  virtual StepResult accumulate(const MicroBatch& batch, double weight) = 0;
  // The losses of what was accumulated since the last call, or since gradients were cleared, in order.
  virtual std::vector<double> take_losses() = 0;
  // Where one is not finite, clears the gradients and throws Error(kNonfinite) naming it.
  virtual void check_losses(const std::vector<double>& losses) = 0;

  // Sums of gradients in an order that does not depend on the number of ranks (model/gradient_sums.h): after a
  // micro-batch, adds so many sums kept before to its gradients, the newest first, and then, where `keeps`, keeps them
  // aside until the next. What is kept is cleared with the gradients. Throws Error(kShape) where so many were not kept.
  virtual void fold_gradients(int64_t merges, bool keeps) = 0;
  // Replaces the gradients by the sums over all ranks and `micro_batches`: of rows that any of them has touched, and of
  // these the own ones where moments are divided. Throws Error(kRanks), Error(kShape) where the folds of this rank's
  // share (lib/ranks/shares.ts) have left another number of sums aside; the gradients are then cleared.
  virtual void exchange_gradients(Communicator& ranks, int64_t micro_batches) = 0;
  // Gives all ranks the weights and, where they are not divided, the moments of rank 0. Links their devices where that
  // can be (core/device_links.h): gradients and new weights go that way from then on. Throws Error(kRanks, kCuda).
  virtual void broadcast_state(Communicator& ranks) = 0;
  // Where moments are divided, after every optimizer_step(): gives all ranks what it has updated. Throws Error(kRanks);
  // Error(kShape) where there was none.
  virtual void gather_weights(Communicator& ranks) = 0;
  // Where moments are divided: reads rows of one from their owners into `data` of every rank, or writes those of rank 0
  // where they belong, which leaves `data` of the others with any. Throws Error(kRanks).
  virtual void gather_rows(Communicator& ranks, Role role, size_t index, int64_t row, int64_t rows, void* data) = 0;
  virtual void scatter_rows(Communicator& ranks, Role role, size_t index, int64_t row, int64_t rows, void* data) = 0;

  // Consumes and clears the gradients. `trained`: what any step so far has trained;
  // the rest is neither read nor written. Null: all. A norm that is not finite throws Error(kNonfinite), clears the
  // gradients and leaves the weights alone. Throws Error(kShape) where gradients are there of other units.
  virtual UpdateResult optimizer_step(const OptimizerStep& step, const Subnetwork* trained = nullptr) = 0;

  virtual void clear_gradients() = 0;

  // In order, where the arrays live; all ranks where moments are divided, else null. Throws Error(kShape) before
  // anything is copied; Error(kRanks).
  virtual void copy_rows(const std::vector<RowCopy>& copies, Communicator* ranks) = 0;

  // The ops called since the last time; none unless ModelOptions::profile.
  virtual std::vector<OpEvent> take_profile() = 0;

 protected:
  Model(const ModelConfig& config, const ModelOptions& options)
      : config_(config), precision_(options.precision), threads_(options.threads) {}

  const ModelConfig config_;
  const Precision precision_;
  const int threads_;
  Selection selection_;
};

}  // namespace burgeon
