// The end of a training step: the norm of the accumulated gradient, clipping, and the optimizer on the rows that take
// part.
#pragma once

#include <vector>

#include "backend/backend.h"
#include "core/device.h"
#include "model/muon_update.h"
#include "model/operands.h"
#include "model/parameters.h"
#include "model/subnetwork.h"

namespace burgeon {

struct OptimizerStep {
  double learning_rate;
  double beta1;
  double beta2;
  double epsilon;
  double weight_decay;
  double clip;      // largest global gradient norm; 0: no clipping
  int64_t step;     // 1-based, for the bias correction
  bool freeze;      // leave what no group touched alone (METHOD: inactive = freeze), instead of a zero gradient
  double momentum;  // Muon's
  bool cautious_decay;
};

struct UpdateResult {
  double gradient_norm;       // before clipping
  int64_t newton_schulz = 0;  // multiply-adds
};

template <class T, class W = T>
class Update {
 public:
  using M = Master<T>;

  Update(const ModelConfig& config, const Ops<T, W>& ops, Device& device, Parameters<M>& parameters,
         Operands<T, W>& operands, OpContext& context)
      : ops_(ops),
        device_(device),
        p_(parameters),
        o_(operands),
        ctx_(context),
        whole_(whole_rows(config)),
        muon_(config, ops, device, parameters) {}

  // Takes the memory that it works in; `held`: bytes that the model has taken otherwise. Throws Error(kOutOfMemory).
  void allocate(size_t held) { muon_.allocate(held); }
  size_t bytes() const { return muon_.bytes(); }
  // Room on the host for a part of every block of rows.
  void reserve();

  // Updates own rows (model/row_shards.h) by the accumulated gradient, which it clears. `trained`: what any step so far
  // has trained, the touched units among it; the rest is left alone. Null: all. `sums`: room on the device for a number
  // per block. When the gradient norm is not finite nothing is changed, and the caller must clear the gradients.
  UpdateResult run(const OptimizerStep& step, TouchedUnits& touched, TouchedUnits* trained, double* sums);

  // Sums of squares of the gradients of own rows, for each block of every tensor; 0 for blocks of others. The norm of
  // the next run() is of these, which the caller has added up over all ranks.
  std::vector<double>& sum_squares(TouchedUnits& touched, double* sums);
  bool has_squares() const { return has_squares_; }
  void drop_squares() { has_squares_ = false; }

 private:
  // Fill rows_: of every tensor those that take part, all or those of `units`.
  void list_all();
  void list(TouchedUnits& units);
  // Those of the subnetwork whose gradients are in slots, and where they are.
  void list_slots();
  // `on_host`: a copy of the list of its rows.
  void add(const Tensor& tensor, const UnitRows& units, const int32_t* on_host, M* gradient, bool is_compact);
  // visit(first, end, row) for the entries of a list that are of one block of the tensor, whose first row that is.
  template <class Visit>
  static void for_blocks(const UpdatedRows<M>& updated, Visit visit);
  void square(double* sums);
  void run_adamw(const AdamWStep& step);

  const Ops<T, W>& ops_;
  Device& device_;
  Parameters<M>& p_;
  Operands<T, W>& o_;
  OpContext& ctx_;
  const UnitRows whole_;
  MuonUpdate<T, W> muon_;
  // Kept for their memory.
  std::vector<UpdatedRows<M>> rows_;
  std::vector<AdamWRows<M>> parts_;
  std::vector<SquaredRows<M>> squared_;
  std::vector<size_t> blocks_;  // of which these are, among those of all tensors
  std::vector<double> sums_;    // of them, read back
  std::vector<double> squares_;
  bool has_squares_ = false;
};

}  // namespace burgeon
