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
  // Room on the host for a part of every tensor.
  void reserve();

  // Updates by the accumulated gradient, which it clears. `trained`: what any step so far has trained, the touched
  // units among it; the rest is left alone. Null: all. `sums`: room on the device for a number per tensor. When the
  // gradient norm is not finite nothing is changed, and the caller must clear the gradients.
  UpdateResult run(const OptimizerStep& step, TouchedUnits& touched, TouchedUnits* trained, double* sums);

 private:
  // Fill rows_: of every tensor those that take part, all or those of `units`.
  void list_all();
  void list(TouchedUnits& units);
  // Those of the subnetwork whose gradients are in slots, and where they are.
  void list_slots();
  void add(const Tensor& tensor, const UnitRows& units, M* gradient, bool is_compact);
  double gradient_norm(double* sums);
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
  std::vector<double> sums_;  // read back
};

}  // namespace burgeon
