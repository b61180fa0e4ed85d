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
void apply(const RowCopy& copy, Role role, double factor, Parameters<M>& parameters, Device& device) {
  const Tensor& tensor = parameters.tensors()[copy.to];
  M* to = parameters.data(role, tensor);
  const M* from = parameters.data(role, parameters.tensors()[copy.from]);
  if (!to) return;  // it has no second moment, and so has none that it is copied from
  to += copy.to_row * tensor.cols;
  from += copy.from_row * tensor.cols;
  const size_t count = static_cast<size_t>(copy.rows * tensor.cols);
  if (factor == 0) {
    device.clear(to, count * sizeof(M));
  } else if (factor != 1) {
    // Few and seldom: through the host, whose arithmetic is the same for every device.
    std::vector<M> values(count);
    device.read(values.data(), from, count * sizeof(M));
    for (M& value : values) value = static_cast<M>(value * factor);
    device.write(to, values.data(), count * sizeof(M));
  } else if (to != from) {
    device.copy(to, from, count * sizeof(M));
  }
}

}  // namespace

template <class M>
void copy_rows(const std::vector<RowCopy>& copies, Parameters<M>& parameters, Device& device) {
  for (size_t i = 0; i < copies.size(); ++i) {
    check(copies[i], parameters.tensors(), "copies[" + std::to_string(i) + "]");
  }
  for (const RowCopy& copy : copies) {
    apply(copy, Role::kWeight, copy.weight, parameters, device);
    apply(copy, Role::kState0, copy.moment1, parameters, device);
    apply(copy, Role::kState1, copy.moment2, parameters, device);
  }
}

template void copy_rows(const std::vector<RowCopy>&, Parameters<float>&, Device&);
template void copy_rows(const std::vector<RowCopy>&, Parameters<double>&, Device&);

}  // namespace burgeon
