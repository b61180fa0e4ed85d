#include "model/row_copy.h"

#include <string>

#include "core/error.h"

namespace burgeon {

namespace {

void check(const RowCopy& copy, const std::vector<Tensor>& tensors, const std::string& name) {
  const auto check_rows = [&](const char* what, size_t index, int64_t row) {
    if (index < tensors.size() && row >= 0 && copy.rows >= 1 && copy.rows <= tensors[index].rows - row) return;
    throw Error(ErrorCode::kShape, name + what + ": expected rows of one of the " + std::to_string(tensors.size()) +
                                       " tensors, received " + std::to_string(copy.rows) + " from " +
                                       std::to_string(row) + " on of tensor " + std::to_string(index));
  };
  check_rows(".to", copy.to, copy.to_row);
  check_rows(".from", copy.from, copy.from_row);
  const Tensor& to = tensors[copy.to];
  const Tensor& from = tensors[copy.from];
  if (to.cols == from.cols && (to.second_offset < 0) == (from.second_offset < 0)) return;
  throw Error(ErrorCode::kShape,
              name + ": expected tensors with as many columns and moments, received " + from.name + " and " + to.name);
}

template <class M>
void multiply(std::vector<M>* values, double factor) {
  for (M& value : *values) value = static_cast<M>(value * factor);
}

// Rows that lie one after another in both places.
template <class M>
void apply(M* to, const M* from, int64_t elements, double factor, Device& device) {
  const size_t count = static_cast<size_t>(elements);
  if (factor == 0) {
    device.clear(to, count * sizeof(M));
  } else if (factor != 1) {
    // Few and seldom: through the host, whose arithmetic is the same for every device.
    std::vector<M> values(count);
    device.read(values.data(), from, count * sizeof(M));
    multiply(&values, factor);
    device.write(to, values.data(), count * sizeof(M));
  } else if (to != from) {
    device.copy(to, from, count * sizeof(M));
  }
}

// Whether rows of these have the same owners. Those of the layers have, as each tensor has the same rows in every
// layer.
bool stays(const RowCopy& copy, const Tensor& to, const Tensor& from, double factor) {
  return factor == 0 || (copy.to_row == copy.from_row && to.kind == from.kind && to.rows == from.rows &&
                         (to.layer < 0) == (from.layer < 0));
}

// What the optimizer keeps of rows that may be those of others.
template <class M>
void apply(const RowCopy& copy, Role role, double factor, Parameters<M>& parameters, Device& device,
           ShardExchange<M>& exchange, Communicator* ranks) {
  const RowShards& shards = parameters.shards();
  const Tensor& to = parameters.tensors()[copy.to];
  const Tensor& from = parameters.tensors()[copy.from];
  if (!parameters.data(role, to)) return;  // it has no second moment, and so has none that it is copied from
  const auto for_own = [&](auto visit) {
    shards.cut(to, copy.to_row, copy.rows, [&](int64_t first, int64_t rows, int owner) {
      if (owner == shards.rank()) visit(parameters.row(role, to, first), first - copy.to_row, rows * to.cols);
    });
  };
  if (!shards.divides() || stays(copy, to, from, factor)) {
    for_own([&](M* rows, int64_t skipped, int64_t elements) {
      const M* source = factor == 0 ? nullptr : parameters.row(role, from, copy.from_row + skipped);
      apply(rows, source, elements, factor, device);
    });
    return;
  }
  std::vector<M> values(static_cast<size_t>(copy.rows * from.cols));
  exchange.gather_rows(*ranks, role, from, copy.from_row, copy.rows, values.data());
  if (factor != 1) multiply(&values, factor);
  for_own([&](M* rows, int64_t skipped, int64_t elements) {
    device.write(rows, values.data() + skipped * to.cols, static_cast<size_t>(elements) * sizeof(M));
  });
}

}  // namespace

template <class M>
void copy_rows(const std::vector<RowCopy>& copies, Parameters<M>& parameters, Device& device,
               ShardExchange<M>& exchange, Communicator* ranks) {
  for (size_t i = 0; i < copies.size(); ++i) {
    check(copies[i], parameters.tensors(), "copies[" + std::to_string(i) + "]");
  }
  if (parameters.shards().divides() && !ranks) {
    throw Error(ErrorCode::kShape, "copies: expected the other ranks beside them, as moments are divided over ranks");
  }
  for (const RowCopy& copy : copies) {
    const Tensor& to = parameters.tensors()[copy.to];
    M* const weights = parameters.row(Role::kWeight, to, copy.to_row);
    const M* const source = parameters.row(Role::kWeight, parameters.tensors()[copy.from], copy.from_row);
    apply(weights, source, copy.rows * to.cols, copy.weight, device);
    apply(copy, Role::kState0, copy.moment1, parameters, device, exchange, ranks);
    apply(copy, Role::kState1, copy.moment2, parameters, device, exchange, ranks);
  }
}

template void copy_rows(const std::vector<RowCopy>&, Parameters<float>&, Device&, ShardExchange<float>&, Communicator*);
template void copy_rows(const std::vector<RowCopy>&, Parameters<double>&, Device&, ShardExchange<double>&,
                        Communicator*);

}  // namespace burgeon
