// How the sums of a product become its outputs.
#pragma once

#include "kernels/cpu/activation.h"
#include "kernels/cpu/micro_tile.h"

namespace burgeon::BURGEON_ISA {

enum class Activation { kNone, kGelu, kGeluSlope, kSwiglu, kSwigluSlope };

// What happens to a finished sum: out[i, j] = alpha * sum + bias_scale * bias[j] + residual[i, j], or out += alpha *
// sum. Once a sum is complete, kGelu also assigns activated = gelu(out) and kGeluSlope multiplies by gelu'(pre);
// kSwiglu also assigns activated = silu(pre) * out, where pre is the gate, and kSwigluSlope assigns the gradients of
// up, activated = out * silu(pre), and of the gate, out = out * up * silu'(pre). Activations are of sums before they
// are rounded to T.
template <class T>
struct Epilogue {
  T* out;
  int64_t stride;
  const int32_t* out_rows = nullptr;  // row i of the product is row out_rows[i] of out
  float alpha = 1;
  bool add = false;
  const float* bias = nullptr;
  float bias_scale = 1;
  int64_t gathered = 0;  // floats of the shared scratch that the bias takes
  const T* residual = nullptr;
  T* activated = nullptr;
  const T* pre = nullptr;
  const T* up = nullptr;
};

// What a gathered bias takes of the shared scratch.
BURGEON_INLINE int64_t bias_floats(int64_t row_count) { return ceil_div(row_count, 16) * 16; }

// The bias of the active rows, side by side where a list is given.
template <class T>
BURGEON_INLINE void set_bias(Epilogue<T>& e, OpContext& ctx, const float* bias, const int32_t* rows,
                             int64_t row_count) {
  e.bias = bias;
  if (!bias || !rows) return;
  float* gathered = reinterpret_cast<float*>(ctx.shared_scratch);
  for (int64_t j = 0; j < row_count; ++j) gathered[j] = bias[rows[j]];
  e.bias = gathered;
  e.gathered = bias_floats(row_count);
}

// kWidth sums, or the first `lanes` of them, that become outputs at `offset`; columns from `col` on. kAdds: to what is
// there already. `last`: the sums are whole now.
template <Activation activation, bool kWhole, bool kAdds, class T>
BURGEON_INLINE void finish_vector(Vec sum, const Epilogue<T>& e, int64_t offset, int64_t col, int64_t lanes,
                                  bool last) {
  const auto get = [&](const auto* p) { return kWhole ? load(p) : load_first(p, lanes); };
  const auto put = [&](T* p, Vec v) {
    if (kWhole) {
      store(p + offset, v);
    } else {
      store_first(p + offset, v, lanes);
    }
  };
  Vec value = e.alpha * sum;
  if (kAdds) {
    value += get(e.out + offset);
  } else {
    if (e.bias) value += e.bias_scale * get(e.bias + col);
    if (e.residual) value += get(e.residual + offset);
  }
  if (activation == Activation::kGeluSlope && last) value *= gelu_slope<T>(get(e.pre + offset));
  if (activation == Activation::kSwigluSlope && last) {
    const Vec gate = get(e.pre + offset);
    const Vec s = sigmoid<T>(gate);
    put(e.activated, value * gate * s);
    value *= get(e.up + offset) * s * (1.0f + gate * (1.0f - s));
  }
  put(e.out, value);
  if (activation == Activation::kGelu && last) put(e.activated, gelu<T>(value));
  if (activation == Activation::kSwiglu && last) {
    const Vec gate = get(e.pre + offset);
    put(e.activated, value * gate * sigmoid<T>(gate));
  }
}

// Fetches what `cols` outputs from `offset` on read and write while there is something to compute: rows are far apart,
// which the hardware does not foresee. Always inlined, for the reason that fetch_run is.
template <class T>
BURGEON_INLINE void fetch_outputs(const Epilogue<T>& e, int64_t offset, int64_t cols) {
  prefetch_row<true>(e.out + offset, cols);
  if (e.activated) prefetch_row<true>(e.activated + offset, cols);
  if (e.residual) prefetch_row(e.residual + offset, cols);
  if (e.pre) prefetch_row(e.pre + offset, cols);
  if (e.up) prefetch_row(e.up + offset, cols);
}

// A block of C, the product: rows and columns from `row` and `col` on, whether its sums are added to what is there, and
// whether they are whole then.
struct BlockOfC {
  int64_t row;
  int64_t rows;
  int64_t col;
  int64_t cols;
  bool adds;
  bool last;
};

template <class T>
BURGEON_INLINE int64_t output_offset(const Epilogue<T>& e, const BlockOfC& block, int64_t i) {
  return (e.out_rows ? e.out_rows[block.row + i] : block.row + i) * e.stride + block.col;
}

template <class T>
BURGEON_INLINE void fetch_outputs(const Epilogue<T>& e, const BlockOfC& block) {
  for (int64_t i = 0; i < block.rows; ++i) fetch_outputs(e, output_offset(e, block, i), block.cols);
}

// Sums of a micro-tile. What is known of a whole one is decided once, not for each of its vectors.
template <Activation activation, bool kWhole, bool kAdds, int Mr, class T>
BURGEON_INLINE void finish_vectors(const MicroTile<Mr>& tile, const Epilogue<T>& e, const BlockOfC& block) {
#pragma GCC unroll 16
  for (int64_t i = 0; i < Mr; ++i) {
    if (!kWhole && i >= block.rows) break;
    const int64_t offset = output_offset(e, block, i);
#pragma GCC unroll 4
    for (int64_t j = 0; j < kVectorsPerRow; ++j) {
      const int64_t c = j * kWidth;
      finish_vector<activation, kWhole, kAdds>(tile.at[i][j], e, offset + c, block.col + c, block.cols - c, block.last);
    }
  }
}

template <Activation activation, int Mr, class T>
BURGEON_INLINE void finish_micro_tile(const MicroTile<Mr>& tile, const Epilogue<T>& e, const BlockOfC& block) {
  const bool is_whole = block.rows >= Mr && block.cols >= kVectorNr;
  if (is_whole && block.adds) {
    finish_vectors<activation, true, true>(tile, e, block);
  } else if (is_whole) {
    finish_vectors<activation, true, false>(tile, e, block);
  } else if (block.adds) {
    finish_vectors<activation, false, true>(tile, e, block);
  } else {
    finish_vectors<activation, false, false>(tile, e, block);
  }
}

// Sums in rows of `sums_row` floats, which have room for whole vectors.
template <Activation activation, bool kAdds, class T>
BURGEON_INLINE void finish_rows(const float* sums, int64_t sums_row, const Epilogue<T>& e, const BlockOfC& block) {
  constexpr int64_t kAhead = 2;  // rows
  const int64_t whole = block.cols / kWidth * kWidth;
  for (int64_t i = 0; i < smaller(kAhead, block.rows); ++i) fetch_outputs(e, output_offset(e, block, i), block.cols);
  for (int64_t i = 0; i < block.rows; ++i) {
    if (i + kAhead < block.rows) fetch_outputs(e, output_offset(e, block, i + kAhead), block.cols);
    const float* sum = sums + i * sums_row;
    const int64_t offset = output_offset(e, block, i);
    for (int64_t c = 0; c < whole; c += kWidth) {
      finish_vector<activation, true, kAdds>(load(sum + c), e, offset + c, block.col + c, kWidth, block.last);
    }
    if (whole < block.cols) {
      finish_vector<activation, false, kAdds>(load(sum + whole), e, offset + whole, block.col + whole,
                                              block.cols - whole, block.last);
    }
  }
}

}  // namespace burgeon::BURGEON_ISA
