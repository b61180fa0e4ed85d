#include "model/update.h"

#include <algorithm>
#include <cmath>

#include "core/bfloat16.h"

namespace burgeon {

template <class T, class W>
void Update<T, W>::reserve() {
  const size_t blocks = static_cast<size_t>(block_count(p_.tensors()));
  rows_.reserve(p_.tensors().size());
  for (auto* each : {&squares_, &sums_}) each->reserve(blocks);
  parts_.reserve(blocks);
  squared_.reserve(blocks);
  blocks_.reserve(blocks);
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
  if (!has_squares_) square(sums);
  has_squares_ = false;
  double squares = 0;
  for (const double each : squares_) squares += each;
  UpdateResult result{std::sqrt(squares)};
  const double norm = result.gradient_norm;
  if (!std::isfinite(norm)) return result;
  const double scale = step.clip > 0 && norm > step.clip ? step.clip / norm : 1.0;

  if (!step.freeze && trained) list(*trained);
  if (!step.freeze && !trained) list_all();
  run_adamw({step.learning_rate, step.beta1, step.beta2, step.epsilon, step.weight_decay, scale,
             1.0 - std::pow(step.beta1, static_cast<double>(step.step)),
             1.0 - std::pow(step.beta2, static_cast<double>(step.step)), step.cautious_decay});
  result.newton_schulz =
      muon_.run(ctx_, rows_, {step.learning_rate, step.momentum, step.weight_decay, scale, step.cautious_decay});
  touched.clear();
  o_.drop_gradients();
  o_.invalidate();
  return result;
}

template <class T, class W>
std::vector<double>& Update<T, W>::sum_squares(TouchedUnits& touched, double* sums) {
  list(touched);
  square(sums);
  has_squares_ = true;
  return squares_;
}

template <class T, class W>
template <class Visit>
void Update<T, W>::for_blocks(const UpdatedRows<M>& updated, Visit visit) {
  const int64_t each = RowShards::block_rows(*updated.tensor);
  const int64_t count = updated.rows().count;
  const int32_t* const list = updated.on_host;
  for (int64_t begin = 0, end; begin < count; begin = end) {
    const int64_t next = ((list ? list[begin] : begin) / each + 1) * each;
    end = list ? std::lower_bound(list + begin, list + count, next) - list : std::min(next, count);
    visit(begin, end, next - each);
  }
}

// By blocks also where one rank owns all: sums have one order.
template <class T, class W>
void Update<T, W>::square(double* sums) {
  squares_.assign(static_cast<size_t>(block_count(p_.tensors())), 0);
  squared_.clear();
  blocks_.clear();
  size_t first_block = 0;
  const Tensor* tensor = p_.tensors().data();
  for (const UpdatedRows<M>& updated : rows_) {
    for (; tensor != updated.tensor; ++tensor) first_block += static_cast<size_t>(RowShards::blocks(*tensor));
    for_blocks(updated, [&](int64_t begin, int64_t end, int64_t row) {
      if (!p_.shards().owns(*tensor, row)) return;
      const bool has_list = updated.on_host && !updated.is_compact;
      const M* const gradient = updated.gradient + (has_list ? 0 : begin * tensor->cols);
      squared_.push_back({gradient, has_list ? updated.rows().rows + begin : nullptr, end - begin, tensor->cols});
      blocks_.push_back(first_block + static_cast<size_t>(row / RowShards::block_rows(*tensor)));
    });
  }
  sums_.resize(squared_.size());
  if (squared_.empty()) return;
  ops_.sum_of_squares(ctx_, sums, {squared_.data(), static_cast<int64_t>(squared_.size())});
  device_.read(sums_.data(), sums, sums_.size() * sizeof(double));
  for (size_t i = 0; i < sums_.size(); ++i) squares_[blocks_[i]] = sums_[i];
}

template <class T, class W>
void Update<T, W>::run_adamw(const AdamWStep& step) {
  parts_.clear();
  for (const UpdatedRows<M>& updated : rows_) {
    const Tensor& tensor = *updated.tensor;
    if (tensor.second_offset < 0) continue;
    const auto [rows, count] = updated.rows();
    const bool is_compact = updated.is_compact;
    M* const weight = p_.data(Role::kWeight, tensor);
    M* const m = p_.data(Role::kState0, tensor);
    M* const v = p_.data(Role::kState1, tensor);
    if (!p_.shards().divides()) {
      parts_.push_back({weight, updated.gradient, m, v, rows, count, tensor.cols, tensor.decays, is_compact});
      continue;
    }
    for_blocks(updated, [&, list = rows](int64_t begin, int64_t end, int64_t row) {
      if (!p_.shards().owns(tensor, row)) return;
      // Lists name rows of the tensor, which begins so much further up than the own rows that are kept of it.
      const int64_t shift = (p_.shards().place(tensor, row) - row) * tensor.cols;
      const int64_t first = list ? 0 : begin * tensor.cols;
      M* const gradient = updated.gradient + (list && !is_compact ? 0 : begin * tensor.cols);
      parts_.push_back({weight + first, gradient, m + shift + first, v + shift + first, list ? list + begin : nullptr,
                        end - begin, tensor.cols, tensor.decays, is_compact});
    });
  }
  ops_.adamw(ctx_, {parts_.data(), static_cast<int64_t>(parts_.size())}, step);
}

template <class T, class W>
void Update<T, W>::add(const Tensor& tensor, const UnitRows& units, const int32_t* on_host, M* gradient,
                       bool is_compact) {
  if (units.of(tensor).count > 0) rows_.push_back({&tensor, units, on_host, gradient, is_compact});
}

template <class T, class W>
void Update<T, W>::list_all() {
  rows_.clear();
  for (const Tensor& tensor : p_.tensors()) add(tensor, whole_, nullptr, p_.data(Role::kGradient, tensor), false);
}

template <class T, class W>
void Update<T, W>::list(TouchedUnits& units) {
  rows_.clear();
  units.list();
  const int32_t* const on_host = units.lists().data();
  const int32_t* const lists = o_.upload(units.lists());
  for (const Tensor& tensor : p_.tensors()) {
    M* const gradient = p_.data(Role::kGradient, tensor);
    if (tensor.layer < 0) {
      add(tensor, whole_, nullptr, gradient, false);
    } else if (units.layer(tensor.layer)) {
      const int32_t* const own = units.rows(tensor.layer, on_host).of(tensor).rows;
      add(tensor, units.rows(tensor.layer, lists), own, gradient, false);
    }
  }
}

template <class T, class W>
void Update<T, W>::list_slots() {
  rows_.clear();
  for (const Tensor& tensor : p_.tensors()) {
    if (tensor.layer >= 0) break;  // the globals come first
    add(tensor, whole_, nullptr, p_.data(Role::kGradient, tensor), false);
  }
  o_.for_each_slot_gradient([&](const Tensor& tensor, const UnitRows& units, const int32_t* on_host, M* gradient) {
    add(tensor, units, on_host, gradient, true);
  });
}

template class Update<float>;
template class Update<double>;
template class Update<bfloat16>;
template class Update<bfloat16, float>;

}  // namespace burgeon
