// The epilogue of a product that makes logits, where what is wanted are the exponentials of these and their sums over
// every row. They are taken relative to a number of the row that is known before, so no maximum is looked for.
#pragma once

#include "kernels/cuda/product_shape.cuh"
#include "kernels/cuda/quad.cuh"
#include "kernels/cuda/vector.cuh"

namespace burgeon::cuda {

// e[row, column] = 2^min(D log2(e) + base[row], kMost), 0 from column `vocab` on, and the sums of these over parts of
// 128 columns, the target's left out: whatever the tiles are, they are added in one order. A D that is not a number
// stays one.
struct Exponentials {
  static constexpr int kPart = 128;
  static constexpr float kMost = 84;  // 2^17 of them, times 2^24, are finite

  bfloat16* e;  // (m, n), or null: sums alone. Rows of whole vectors.
  int64_t stride;
  const float* base;       // (m)
  const int32_t* targets;  // (m), -1: none
  float* sums;             // (n / kPart, m), the last part being the rest
  int vocab;

  bool vectors() const { return true; }
};

// The lane with this bit gives its low word for the high one of the other.
BURGEON_DEVICE void swap_words(uint32_t& low, uint32_t& high, int bit) {
  const bool upper = thread_index() & bit;
  const uint32_t got = shuffle_xor(upper ? low : high, bit);
  low = upper ? got : low;
  high = upper ? high : got;
}

// kInside: all columns are words.
template <bool kInside, int F>
BURGEON_DEVICE void exponentials_of_tile(const float (&sums)[F][4], int first_m, int first_n, const ProductShape& shape,
                                         const Exponentials& out) {
  constexpr int kFragments = Exponentials::kPart / 8;
  const int words = out.vocab - first_n;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = first_m + quad_row(half);
    const bool there = row < shape.m;
    const float base = there ? out.base[row] : 0;
    const int target = (there ? out.targets[row] : -1) - first_n - quad_column(0);
#pragma unroll
    for (int part = 0; part < F / kFragments; ++part) {
      float sum = 0;
#pragma unroll
      for (int n = part * kFragments; n < (part + 1) * kFragments; n += 4) {
        Words<4> v;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          float e[2];
#pragma unroll
          for (int c = 0; c < 2; ++c) {
            const float power = fused_multiply_add(sums[n + i][2 * half + c], kLog2E, base);
            e[c] = exp2_fast(power > Exponentials::kMost ? Exponentials::kMost : power);
            if (!kInside && (n + i) * 8 + quad_column(c) >= words) e[c] = 0;
            if ((n + i) * 8 + c != target) sum += e[c];
          }
          v.words[i] = pack_bfloat16(e[0], e[1]);
        }
        if (!out.e) continue;
        // From two columns of each of four fragments to the eight of one.
        swap_words(v.words[0], v.words[1], 1);
        swap_words(v.words[2], v.words[3], 1);
        swap_words(v.words[0], v.words[2], 2);
        swap_words(v.words[1], v.words[3], 2);
        const int column = first_n + (n + thread_index() % 4) * 8;
        if (there && column < shape.n) store_words(out.e + row * out.stride + column, v);
      }
      sum += shuffle_xor(sum, 1);
      sum += shuffle_xor(sum, 2);
      const int first = first_n + part * Exponentials::kPart;
      if (there && first < shape.n && thread_index() % 4 == 0) {
        out.sums[static_cast<int64_t>(first / Exponentials::kPart) * shape.m + row] = sum;
      }
    }
  }
}

// Of the accumulators of a warpgroup, 64 rows from first_m on.
template <int F>
BURGEON_DEVICE void finish_exponentials(const float (&sums)[F][4], int first_m, int first_n, const ProductShape& shape,
                                        const Exponentials& out) {
  if (first_n + 8 * F <= out.vocab) {
    exponentials_of_tile<true>(sums, first_m, first_n, shape, out);
  } else {
    exponentials_of_tile<false>(sums, first_m, first_n, shape, out);
  }
}

}  // namespace burgeon::cuda
