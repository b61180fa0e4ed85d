// Compares a declaration of ours with NVIDIA's: functions take as many arguments, of the same sizes, pointers where
// they do. Each opaque type has its own name on both sides.
#pragma once

#include <cstddef>
#include <type_traits>

namespace burgeon::cuda {

template <class Function>
struct Shape;
template <class Result, class... Arguments>
struct Shape<Result (*)(Arguments...)> {
  static constexpr int count = sizeof...(Arguments);
  static constexpr bool pointers[] = {std::is_pointer_v<Arguments>..., false};
  static constexpr size_t sizes[] = {sizeof(Arguments)..., 0};
};

template <class Ours, class Theirs>
constexpr bool same_shape() {
  using A = Shape<Ours>;
  using B = Shape<Theirs>;
  if (A::count != B::count) return false;
  for (int i = 0; i < A::count; ++i) {
    if (A::pointers[i] != B::pointers[i] || A::sizes[i] != B::sizes[i]) return false;
  }
  return true;
}

}  // namespace burgeon::cuda
