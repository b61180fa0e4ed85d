// The reference's backward ops against numerical derivatives of its forward ops, in double. The loss is the sum of the
// outputs times fixed random numbers, so those numbers are the gradients of the outputs.
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "test/differences.h"
#include "test/op_fixture.h"

namespace burgeon::test {

namespace {

const Ops<double>& ops() { return ref::table<double>(); }

Doubles normals(Random& random, int64_t count, float scale = 1, float offset = 0) {
  return widen(random.normals(count, scale, offset));
}

double dot(const Doubles& a, const Doubles& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// Every element of `x` where there is a derivative in `gradient`; the loss reads x.
template <class Loss>
void check_gradient(const char* name, Loss loss, Doubles& x, const Doubles& gradient, double tolerance = 1e-9) {
  const Note note(std::string("gradient of ") + name);
  for (size_t i = 0; i < x.size(); ++i) CHECK_NEAR(gradient[i], slope(loss, x[i]), tolerance);
}

// Row lists for the linear ops: 7 rows of which 4 take part.
const int32_t kRows[] = {0, 2, 3, 6};
constexpr int64_t kTotal = 7;

struct Lists {
  const int32_t* rows;
  int64_t count;
};
const Lists kLists[] = {{nullptr, kTotal}, {kRows, 4}};

}  // namespace

TEST(gradient_of_linear_expand) {
  Random random(61);
  const int64_t n = 5;
  const int64_t cols = 6;
  const double alpha = 0.7;
  OpContext context{};
  for (const Lists& lists : kLists) {
    const int32_t* rows = lists.rows;
    const int64_t count = lists.count;
    Doubles x = normals(random, n * cols);
    Doubles w = normals(random, kTotal * cols);
    Doubles bias = normals(random, kTotal);
    const Doubles dy = normals(random, n * count);
    Doubles y(n * count);
    const auto loss = [&] {
      ops().linear_expand(context, y.data(), count, x.data(), w.data(), bias.data(), rows, n, count, cols, alpha);
      return dot(y, dy);
    };
    Doubles dx(x.size());
    Doubles dw(w.size());
    Doubles dbias(bias.size());
    ops().linear_contract(context, dx.data(), dy.data(), count, w.data(), nullptr, nullptr, rows, n, count, cols, alpha,
                          0);
    ops().linear_weight_gradient(context, dw.data(), dbias.data(), dy.data(), count, x.data(), rows, n, count, cols,
                                 alpha, false);
    check_gradient("x", loss, x, dx);
    check_gradient("w", loss, w, dw);
    check_gradient("bias", loss, bias, dbias);
  }
}

TEST(gradient_of_linear_contract) {
  Random random(62);
  const int64_t n = 5;
  const int64_t cols = 6;
  const double alpha = 0.7;
  const double bias_scale = 1.3;
  OpContext context{};
  for (const Lists& lists : kLists) {
    const int32_t* rows = lists.rows;
    const int64_t count = lists.count;
    Doubles x = normals(random, n * count);
    Doubles w = normals(random, kTotal * cols);
    Doubles bias = normals(random, cols);
    Doubles residual = normals(random, n * cols);
    const Doubles dy = normals(random, n * cols);
    Doubles y(n * cols);
    const auto loss = [&] {
      ops().linear_contract(context, y.data(), x.data(), count, w.data(), bias.data(), residual.data(), rows, n, count,
                            cols, alpha, bias_scale);
      return dot(y, dy);
    };
    Doubles dx(x.size());
    Doubles dw(w.size());
    Doubles dbias(bias.size());
    ops().linear_expand(context, dx.data(), count, dy.data(), w.data(), nullptr, rows, n, count, cols, alpha);
    ops().linear_weight_gradient(context, dw.data(), nullptr, x.data(), count, dy.data(), rows, n, count, cols, alpha,
                                 false);
    // As the norm behind it makes it.
    for (int64_t i = 0; i < n * cols; ++i) dbias[i % cols] += bias_scale * dy[i];
    check_gradient("x", loss, x, dx);
    check_gradient("w", loss, w, dw);
    check_gradient("bias", loss, bias, dbias);
    check_gradient("residual", loss, residual, dy);
  }
}

TEST(gradient_of_norm) {
  Random random(63);
  const int64_t n = 4;
  const int64_t width = 7;
  const double epsilon = 1e-5;
  OpContext context{};
  Doubles x = normals(random, n * width, 1, 0.5f);
  Doubles weight = normals(random, width, 0.3f, 1);
  Doubles bias = normals(random, width);
  const Doubles dy = normals(random, n * width);
  Doubles y(n * width);
  Doubles mean(n);
  Doubles rstd(n);
  const double shift_scale = 1.3;
  Doubles shift(width);  // added to every row of x
  const auto loss = [&] {
    Doubles shifted = x;
    for (int64_t i = 0; i < n * width; ++i) shifted[i] += shift_scale * shift[i % width];
    ops().norm_forward(context, y.data(), mean.data(), rstd.data(), shifted.data(), weight.data(), bias.data(), n,
                       width, epsilon);
    return dot(y, dy);
  };
  loss();
  // The op adds: starting from known numbers shows that.
  Doubles dx(n * width, 10);
  Doubles dweight(width, 20);
  Doubles dbias(width, 30);
  Doubles dshift(width, 40);
  ops().norm_backward(context, dx.data(), nullptr, dweight.data(), dbias.data(), dshift.data(), shift_scale, dy.data(),
                      x.data(), mean.data(), rstd.data(), weight.data(), n, width);
  for (double& value : dx) value -= 10;
  for (double& value : dweight) value -= 20;
  for (double& value : dbias) value -= 30;
  for (double& value : dshift) value -= 40 + shift_scale * 10 * n;  // the 10 of dx are summed too
  check_gradient("x", loss, x, dx, 1e-8);
  check_gradient("weight", loss, weight, dweight);
  check_gradient("bias", loss, bias, dbias);
  check_gradient("shift", loss, shift, dshift, 1e-8);
}

TEST(gradient_of_attention) {
  Random random(64);
  const int64_t batch = 2;
  const int64_t sequence = 5;
  const int64_t heads = 4;
  const int64_t kv_heads = 2;
  const int64_t head_size = 3;
  const int64_t tokens = batch * sequence;
  const int64_t width = heads * head_size;
  const int64_t qkv_width = width + 2 * kv_heads * head_size;
  Workspace scratch(1);
  OpContext context = scratch.context(ops().scratch_size({tokens, sequence, width, qkv_width, head_size}));
  Doubles qkv = normals(random, tokens * qkv_width);
  const Doubles dout = normals(random, tokens * width);
  Doubles out(tokens * width);
  Doubles lse(tokens * heads);
  const auto loss = [&] {
    ops().attention_forward(context, out.data(), lse.data(), qkv.data(), batch, sequence, heads, kv_heads, head_size);
    return dot(out, dout);
  };
  loss();
  Doubles dqkv(qkv.size(), NAN);
  ops().attention_backward(context, dqkv.data(), dout.data(), qkv.data(), out.data(), lse.data(), batch, sequence,
                           heads, kv_heads, head_size);
  check_gradient("qkv", loss, qkv, dqkv);
}

TEST(gradient_of_rotary) {
  Random random(68);
  OpContext context{};
  const int64_t n = 6;
  const int64_t sequence = 3;
  const int64_t heads = 2;
  const int64_t head_size = 4;
  const int64_t stride = 11;
  Doubles table;
  for (int64_t t = 0; t < sequence; ++t) {
    for (const double angle : {0.3 * static_cast<double>(t), 0.1 * static_cast<double>(t)})
      table.push_back(std::cos(angle));
    for (const double angle : {0.3 * static_cast<double>(t), 0.1 * static_cast<double>(t)})
      table.push_back(std::sin(angle));
  }
  Doubles x = normals(random, n * stride);
  Doubles dx = normals(random, n * stride);
  const Doubles dy = dx;
  const auto loss = [&] {
    Doubles y = x;
    ops().rotary(context, y.data(), table.data(), n, sequence, stride, heads, head_size, false);
    return dot(y, dy);
  };
  ops().rotary(context, dx.data(), table.data(), n, sequence, stride, heads, head_size, true);
  check_gradient("x", loss, x, dx);
}

// Up, GELU and down with sampled neurons: the backward op gives the gradient before GELU, which is that of the bias.
TEST(gradient_of_mlp) {
  Random random(65);
  const int64_t n = 6;
  const int64_t cols = 5;
  const double alpha = 1.75;
  OpContext context{};
  for (const Lists& lists : kLists) {
    const int64_t count = lists.count;
    Doubles x = normals(random, n * cols, 2);
    Doubles up = normals(random, kTotal * cols);
    Doubles bias = normals(random, kTotal);
    const Doubles down = normals(random, kTotal * cols);
    const Doubles dy = normals(random, n * cols);
    Doubles act(n * count), pre(n * count), y(n * cols);
    const auto loss = [&] {
      ops().mlp_forward(context, act.data(), pre.data(), x.data(), up.data(), bias.data(), lists.rows, n, count, cols);
      ops().linear_contract(context, y.data(), act.data(), count, down.data(), nullptr, nullptr, lists.rows, n, count,
                            cols, alpha, 0);
      return dot(y, dy);
    };
    loss();
    Doubles dpre(n * count), dx(x.size()), dup(up.size()), dbias(bias.size());
    ops().mlp_backward(context, dpre.data(), dy.data(), pre.data(), down.data(), lists.rows, n, count, cols, alpha);
    ops().linear_contract(context, dx.data(), dpre.data(), count, up.data(), nullptr, nullptr, lists.rows, n, count,
                          cols, 1, 0);
    ops().linear_weight_gradient(context, dup.data(), dbias.data(), dpre.data(), count, x.data(), lists.rows, n, count,
                                 cols, 1, false);
    check_gradient("x", loss, x, dx, 1e-8);
    check_gradient("up", loss, up, dup, 1e-8);
    check_gradient("bias", loss, bias, dbias, 1e-8);
  }
}

TEST(gradient_of_swiglu) {
  Random random(69);
  const int64_t n = 6;
  const int64_t cols = 5;
  const double alpha = 1.75;
  OpContext context{};
  for (const Lists& lists : kLists) {
    const int64_t count = lists.count;
    Doubles x = normals(random, n * cols, 2);
    Doubles gate_w = normals(random, kTotal * cols);
    Doubles up_w = normals(random, kTotal * cols);
    Doubles gate_bias = normals(random, kTotal);
    Doubles up_bias = normals(random, kTotal);
    const Doubles down = normals(random, kTotal * cols);
    const Doubles dy = normals(random, n * cols);
    Doubles act(n * count), gate(n * count), up(n * count), y(n * cols);
    const auto loss = [&] {
      ops().swiglu_forward(context, act.data(), gate.data(), up.data(), x.data(), gate_w.data(), gate_bias.data(),
                           up_w.data(), up_bias.data(), lists.rows, n, count, cols);
      ops().linear_contract(context, y.data(), act.data(), count, down.data(), nullptr, nullptr, lists.rows, n, count,
                            cols, alpha, 0);
      return dot(y, dy);
    };
    loss();
    Doubles dgate(n * count), dup(n * count), dx(x.size()), dgate_bias(kTotal), dup_bias(kTotal);
    Doubles dgate_w(gate_w.size()), dup_w(up_w.size());
    ops().swiglu_backward(context, dgate.data(), dup.data(), dy.data(), gate.data(), up.data(), down.data(), lists.rows,
                          n, count, cols, alpha);
    ops().linear_contract(context, dx.data(), dup.data(), count, up_w.data(), nullptr, nullptr, lists.rows, n, count,
                          cols, 1, 0);
    ops().linear_contract(context, dx.data(), dgate.data(), count, gate_w.data(), nullptr, dx.data(), lists.rows, n,
                          count, cols, 1, 0);
    ops().linear_weight_gradient(context, dgate_w.data(), dgate_bias.data(), dgate.data(), count, x.data(), lists.rows,
                                 n, count, cols, 1, false);
    ops().linear_weight_gradient(context, dup_w.data(), dup_bias.data(), dup.data(), count, x.data(), lists.rows, n,
                                 count, cols, 1, false);
    check_gradient("x", loss, x, dx, 1e-8);
    check_gradient("gate", loss, gate_w, dgate_w, 1e-8);
    check_gradient("up", loss, up_w, dup_w, 1e-8);
    check_gradient("bias of the gate", loss, gate_bias, dgate_bias, 1e-8);
    check_gradient("bias of up", loss, up_bias, dup_bias, 1e-8);
  }
}

TEST(gradient_of_cross_entropy) {
  Random random(66);
  OpContext context{};
  const int64_t n = 4;
  const int64_t vocab = 9;
  const int32_t targets[] = {3, -1, 0, 8};
  Doubles logits = normals(random, n * vocab, 2);
  Doubles losses(n);
  const double scale = 0.4;
  const auto loss = [&] {
    ops().cross_entropy(context, losses.data(), logits.data(), targets, n, vocab, vocab, 0);
    return scale * (losses[0] + losses[1] + losses[2] + losses[3]);
  };
  Doubles dlogits(logits);
  ops().cross_entropy(context, losses.data(), dlogits.data(), targets, n, vocab, vocab, scale);
  check_gradient("logits", loss, logits, dlogits);
}

TEST(gradient_of_embedding) {
  Random random(67);
  OpContext context{};
  const int64_t batch = 2;
  const int64_t sequence = 4;
  const int64_t width = 3;
  const int32_t tokens[] = {1, 4, 1, 0, 4, 4, 2, 1};
  Doubles wte = normals(random, 6 * width);
  Doubles wpe = normals(random, 5 * width);
  const Doubles dx = normals(random, batch * sequence * width);
  Doubles x(dx.size());
  const auto loss = [&] {
    ops().embedding_forward(context, x.data(), tokens, wte.data(), wpe.data(), batch, sequence, width);
    return dot(x, dx);
  };
  Doubles dwte(wte.size());
  Doubles dwpe(wpe.size());
  ops().embedding_backward(context, dwte.data(), dwpe.data(), dx.data(), tokens, batch, sequence, width);
  check_gradient("wte", loss, wte, dwte);
  check_gradient("wpe", loss, wpe, dwpe);
}

}  // namespace burgeon::test
