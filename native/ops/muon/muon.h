// Muon (Jordan et al., 2024): momentum whose singular values are driven towards one by a Newton-Schulz iteration, on
// some rows of a matrix. Scaled as Liu et al. (Moonlight, arXiv 2502.16982), so that an update has the root mean square
// of AdamW's and takes its learning rate and weight decay.
//
// The active rows are the matrix that is orthogonalised: the others are neither read nor written, and what is done
// falls with them. Rows and columns may change places: an orthogonalised transpose is the transpose, so the layout of a
// matrix decides nothing.
#pragma once

#include "core/master.h"
#include "core/op_context.h"
#include "core/parts.h"

namespace burgeon {

struct MuonStep {
  double learning_rate;
  double momentum;
  double weight_decay;
  double gradient_scale;  // clip factor, applied to the gradient first
  bool cautious_decay;    // as AdamWStep
};

// Rows of one matrix with their gradient and momentum.
template <class M>
struct MuonRows {
  M* w;  // (R, cols), as g and m
  M* g;
  M* m;
  const int32_t* rows;  // the active ones; null: rows 0..row_count-1
  int64_t row_count;
  int64_t cols;
  bool compact_gradient;  // only for compact backends: g is (row_count, cols), its row j that of rows[j]
};

// x <- a x + b (x x^T) x + c (x x^T)^2 x, so many times: Jordan's coefficients. They do not converge, but take every
// singular value above 0.003 of the largest to about one, between 0.7 and 1.2, which is all that an update needs.
constexpr int kNewtonSchulzSteps = 5;
constexpr double kNewtonSchulzA = 3.4445;
constexpr double kNewtonSchulzB = -4.7750;
constexpr double kNewtonSchulzC = 2.0315;
// Of a symmetric product rows are computed in blocks of so many, each up to its diagonal, and mirrored.
constexpr int64_t kSymmetricBlock = 128;
// Root mean square of AdamW's updates, which these get (Moonlight).
constexpr double kUpdateRms = 0.2;

// For the active rows, r of them: with g' = gradient_scale * g
//   m = momentum m + (1 - momentum) g';  x = momentum m + (1 - momentum) g' (Nesterov)
//   w = w (1 - learning_rate weight_decay) - learning_rate kUpdateRms sqrt(max(r, cols)) NewtonSchulz(x / |x|)
// where with cautious_decay weight_decay counts as 0 if NewtonSchulz(x / |x|) w < 0, of the w before; and g is set to
// 0; a compact gradient stays. Where |x| is 0 the last term is too.
//
// work: room for 2 r cols + 2 min(r, cols)^2 numbers of the largest part; its contents are nobody's. Products take
// operands in T and add in Master<T>. With s = min(r, cols), l = max(r, cols) and t(s) the elements of a square that
// are computed, kNewtonSchulzSteps times: multiply_adds += t(s) l + t(s) s + s s l.
template <class T, class = T>
using Muon = void(OpContext& ctx, Parts<MuonRows<Master<T>>> parts, const MuonStep& step, Master<T>* work);

}  // namespace burgeon
