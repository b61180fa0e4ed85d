// The type in which a backend keeps what must not lose bits, beside activations and operands of type T: parameters,
// gradients, moments, statistics (means, losses, log-sum-exps). Included by files that are compiled once per instruction
// set, so it defines no functions.
#pragma once

namespace burgeon {

struct bfloat16;

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
