#include "model/update.h"

#include <cmath>

#include "core/bfloat16.h"

namespace burgeon {

template <class T, class W>
void Update<T, W>::reserve() {
  rows_.reserve(p_.tensors().size());
  parts_.reserve(p_.tensors().size());
  squared_.reserve(p_.tensors().size());
  sums_.reserve(p_.tensors().size());
}

template <class T, class W>
UpdateResult Update<T, W>::run(const OptimizerStep& step, TouchedUnits& touched, TouchedUnits* trained, double* sums) {
  // Where one subnetwork was trained and the rest is to be left alone, its gradients need not visit the masters.
  if (step.freeze && o_.gradients_are_in_slots()) {
    list_slots();
  } else {
    o_.add_gradients(ctx_);
    // Gradients of what no group touched are zero, so leaving them out gives the same norm.
    list(touched);
  }
  UpdateResult result{gradient_norm(sums)};
  const double norm = result.gradient_norm;
  if (!std::isfinite(norm)) return result;
  const double scale = step.clip > 0 && norm > step.clip ? step.clip / norm : 1.0;

  if (!step.freeze && trained) list(*trained);
  if (!step.freeze && !trained) list_all();
  run_adamw({step.learning_rate, step.beta1, step.beta2, step.epsilon, step.weight_decay, scale,
             1.0 - std::pow(step.beta1, static_cast<double>(step.step)),
             1.0 - std::pow(step.beta2, static_cast<double>(step.step))});
  result.newton_schulz = muon_.run(ctx_, rows_, {step.learning_rate, step.momentum, step.weight_decay, scale});
  touched.clear();
  o_.drop_gradients();
  o_.invalidate();
  return result;
}

template <class T, class W>
double Update<T, W>::gradient_norm(double* sums) {
  squared_.clear();
  for (const UpdatedRows<M>& updated : rows_) {
    const auto [rows, count] = updated.rows();
    squared_.push_back({updated.gradient, updated.is_compact ? nullptr : rows, count, updated.tensor->cols});
  }
  ops_.sum_of_squares(ctx_, sums, {squared_.data(), static_cast<int64_t>(squared_.size())});
  sums_.resize(squared_.size());
  device_.read(sums_.data(), sums, sums_.size() * sizeof(double));
  double squares = 0;
  for (const double each : sums_) squares += each;
  return std::sqrt(squares);
}

template <class T, class W>
void Update<T, W>::run_adamw(const AdamWStep& step) {
  parts_.clear();
  for (const UpdatedRows<M>& updated : rows_) {
    const Tensor& tensor = *updated.tensor;
    if (tensor.second_offset < 0) continue;
    const auto [rows, count] = updated.rows();
    parts_.push_back({p_.data(Role::kWeight, tensor), updated.gradient, p_.data(Role::kState0, tensor),
                      p_.data(Role::kState1, tensor), rows, count, tensor.cols, tensor.decays, updated.is_compact});
  }
  ops_.adamw(ctx_, {parts_.data(), static_cast<int64_t>(parts_.size())}, step);
}

template <class T, class W>
void Update<T, W>::add(const Tensor& tensor, const UnitRows& units, M* gradient, bool is_compact) {
  if (units.of(tensor).count > 0) rows_.push_back({&tensor, units, gradient, is_compact});
}

template <class T, class W>
void Update<T, W>::list_all() {
  rows_.clear();
  for (const Tensor& tensor : p_.tensors()) add(tensor, whole_, p_.data(Role::kGradient, tensor), false);
}

template <class T, class W>
void Update<T, W>::list(TouchedUnits& units) {
  rows_.clear();
  units.list();
  const int32_t* lists = o_.upload(units.lists());
  for (const Tensor& tensor : p_.tensors()) {
    if (tensor.layer >= 0 && !units.layer(tensor.layer)) continue;
    add(tensor, tensor.layer < 0 ? whole_ : units.rows(tensor.layer, lists), p_.data(Role::kGradient, tensor), false);
  }
}

template <class T, class W>
void Update<T, W>::list_slots() {
  rows_.clear();
  for (const Tensor& tensor : p_.tensors()) {
    if (tensor.layer >= 0) break;  // the globals come first
    add(tensor, whole_, p_.data(Role::kGradient, tensor), false);
  }
  o_.for_each_slot_gradient(
      [&](const Tensor& tensor, const UnitRows& units, M* gradient) { add(tensor, units, gradient, true); });
}

template class Update<float>;
template class Update<double>;
template class Update<bfloat16>;
template class Update<bfloat16, float>;

}  // namespace burgeon
