// The type in which a backend keeps what must not lose bits, beside activations and operands of type T: parameters,
// gradients, moments, statistics (means, losses, log-sum-exps). Included by files that are compiled once per
// instruction set, so it defines no functions.
#pragma once

#include <stdint.h>

namespace burgeon {

// The upper half of a float: how activations and operands of products are stored where memory is what counts. A storage
// type: arithmetic is in float (core/bfloat16.h, kernels/cpu/simd.h).
struct bfloat16 {
  uint16_t bits;
};

template <class T>
struct MasterOf {
  using type = T;
};
template <>
struct MasterOf<bfloat16> {
  using type = float;
};
template <class T>
using Master = typename MasterOf<T>::type;

}  // namespace burgeon
