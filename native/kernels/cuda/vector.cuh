// Elements of float or bfloat16 in memory, floats in registers: N of them at a time, which are 16 bytes of an
// activation where widths and addresses allow it and one element elsewhere. And how kernels that treat all elements
// alike are cut.
#pragma once

#include <type_traits>

#include "core/error.h"
#include "kernels/cuda/device.cuh"

namespace burgeon::cuda {

BURGEON_DEVICE float widen(float x) { return x; }

template <class T>
BURGEON_DEVICE T narrow(float x);
template <>
BURGEON_DEVICE float narrow<float>(float x) {
  return x;
}
template <>
BURGEON_DEVICE bfloat16 narrow<bfloat16>(float x) {
  return narrow_bfloat16(x);
}

template <class T>
constexpr int kVector = 16 / static_cast<int>(sizeof(T));

// How many words one access moves, of so many bytes that are to be moved.
template <int kBytes>
constexpr int kWordsAtOnce = kBytes >= 16 ? 4 : kBytes / 4;

// The floats of words that hold N elements of T.
template <class T, int N, int kWords>
BURGEON_DEVICE void widen(float (&x)[N], const Words<kWords>& v, int first = 0) {
#pragma unroll
  for (int w = 0; w < kWords; ++w) {
    if constexpr (sizeof(T) == 4) {
      x[first + w] = from_word(v.words[w]);
    } else {
      x[first + 2 * w] = from_word(v.words[w] << 16);
      x[first + 2 * w + 1] = from_word(v.words[w] & 0xffff0000u);
    }
  }
}

template <int N, class T>
BURGEON_DEVICE void load(float (&x)[N], const T* from) {
  if constexpr (N == 1) {
    x[0] = widen(*from);
  } else {
    constexpr int kWords = kWordsAtOnce<N* static_cast<int>(sizeof(T))>;
    constexpr int kStep = kWords * 4 / static_cast<int>(sizeof(T));
#pragma unroll
    for (int i = 0; i < N; i += kStep) widen<T>(x, load_words<kWords>(from + i), i);
  }
}

// 16 bytes as they lie in memory, and zero where nothing is: many such loads can be under way at once, as what waits
// for them is but their use, and four registers hold eight bfloat16.
BURGEON_DEVICE Words<4> load_vector(const void* from, bool there) {
  Words<4> v = {};
  if (there) v = load_words<4>(from);
  return v;
}

// One element or a vector of them, zero where nothing is.
template <int N, class T>
BURGEON_DEVICE void load_or_zero(float (&x)[N], const T* from, bool there) {
  static_assert(N == 1 || N == kVector<T>, "an element or 16 bytes");
  if constexpr (N == 1) {
    x[0] = there ? widen(*from) : 0;
  } else {
    widen<T>(x, load_vector(from, there));
  }
}

template <int N, class T>
BURGEON_DEVICE void store(T* to, const float (&x)[N]) {
  if constexpr (N == 1) {
    *to = narrow<T>(x[0]);
  } else {
    constexpr int kWords = kWordsAtOnce<N* static_cast<int>(sizeof(T))>;
    constexpr int kStep = kWords * 4 / static_cast<int>(sizeof(T));
#pragma unroll
    for (int i = 0; i < N; i += kStep) {
      Words<kWords> v;
#pragma unroll
      for (int w = 0; w < kWords; ++w) {
        if constexpr (sizeof(T) == 4) {
          v.words[w] = to_word(x[i + w]);
        } else {
          v.words[w] = pack_bfloat16(x[i + 2 * w], x[i + 2 * w + 1]);
        }
      }
      store_words(to + i, v);
    }
  }
}

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Whether rows of `width` elements, from each of these addresses on, can be read N at a time. Null addresses are not
// read.
template <class... P>
bool in_vectors(int N, int64_t width, const P*... addresses) {
  return width % N == 0 && (... && (reinterpret_cast<uintptr_t>(addresses) % 16 == 0));
}

// call(N) with N elements of T at a time, as a constant, or one.
template <class T, class Call>
void with_vectors(bool possible, Call call) {
  if (possible) {
    call(std::integral_constant<int, kVector<T>>{});
  } else {
    call(std::integral_constant<int, 1>{});
  }
}

constexpr int kElementThreads = 256;

// One thread for each of `count` elements or vectors.
inline Grid grid_of(int64_t count) {
  if (count > 0x7fffffff) throw Error(ErrorCode::kCuda, "CUDA: an operand has more than 2^31 - 1 vectors");
  return {ceil_div(count, kElementThreads)};
}
BURGEON_DEVICE uint32_t element_index() {
  return static_cast<uint32_t>(block_x()) * kElementThreads + static_cast<uint32_t>(thread_index());
}

}  // namespace burgeon::cuda
