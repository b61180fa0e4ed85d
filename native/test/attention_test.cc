// Attention against the reference: sequences and head sizes around the blocks of attention_blocks.h, scores that make
// the online softmax rescale, and independence of heads and sequences from their neighbours.
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "test/op_fixture.h"

namespace burgeon::test {

namespace {

struct Shape {
  int64_t batch;
  int64_t sequence;
  int64_t heads;
  int64_t head_size;
  int64_t kv_heads = heads;
  int64_t tokens() const { return batch * sequence; }
  int64_t width() const { return heads * head_size; }
  int64_t qkv_width() const { return (heads + 2 * kv_heads) * head_size; }
};

std::string text(const Shape& s) {
  return "B " + std::to_string(s.batch) + " T " + std::to_string(s.sequence) + " A " + std::to_string(s.heads) + " G " +
         std::to_string(s.kv_heads) + " HS " + std::to_string(s.head_size);
}

ScratchShape scratch_shape(const Shape& s) { return {s.tokens(), s.sequence, s.width(), s.qkv_width(), s.head_size}; }

// Row blocks are 48 or 64 queries; column blocks 24, 48 or 96 keys; micro-tiles 6, 12 or 32 x 8, 16 or 32.
std::vector<Shape> shapes() {
  std::vector<Shape> result;
  for (const int64_t sequence : {1, 2, 7, 8, 16, 23, 24, 25, 33, 47, 48, 49, 64, 65, 95, 96, 97, 143, 145, 193, 200}) {
    result.push_back({2, sequence, 2, 5});
  }
  for (const int64_t head_size : {1, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 80, 128}) {
    result.push_back({1, 51, 3, head_size});
  }
  result.push_back({3, 1, 1, 1});
  result.push_back({1, 1, 7, 64});
  result.push_back({5, 13, 4, 12});
  result.push_back({2, 50, 4, 12, 2});
  result.push_back({1, 101, 6, 16, 1});
  result.push_back({3, 17, 9, 5, 3});
  return result;
}

double largest(const Floats& values) {
  double result = 0;
  for (const float value : values) result = std::max(result, std::fabs(static_cast<double>(value)));
  return result;
}

double largest(const Doubles& values) {
  double result = 0;
  for (const double value : values) result = std::max(result, std::fabs(value));
  return result;
}

// Forward on every table, then backward from the reference's own results, so that errors do not add up. `rounding` is
// that of probabilities and of gradients of scores, where they become operands of products.
template <class T>
void check_attention(const std::vector<TableOf<T>>& tables, double rounding, const Shape& s, const Floats& qkv,
                     const Floats& dout) {
  const Note note(text(s));
  const auto forward = [&](auto& ops, OpContext& context, auto& in, auto& out) {
    ops.attention_forward(context, out[0], out[1], in[0], s.batch, s.sequence, s.heads, s.kv_heads, s.head_size);
  };
  const auto backward = [&](auto& ops, OpContext& context, auto& in, auto& out) {
    ops.attention_backward(context, out[0], in[1], in[0], in[2], in[3], s.batch, s.sequence, s.heads, s.kv_heads,
                           s.head_size);
  };
  const std::vector<Floats> outputs{poison(s.tokens() * s.width()), poison(s.tokens() * s.heads)};
  const Expected results = run_reference(scratch_shape(s), {qkv}, outputs, forward);

  // A score is a sum of head_size products; its rounding, times the size of the scores, is the relative error of a
  // probability. The rest is the rounding of sums over the keys.
  const double width = static_cast<double>(s.head_size);
  const double value = largest(qkv);
  const double lse = largest(results.outputs[1]);
  const double scores = value * value * std::sqrt(width);
  const double relative = kRounding * (16 + std::sqrt(static_cast<double>(s.sequence)) + 2 * scores) + rounding;
  const double lse_bound = kRounding * (16 + 2 * scores + lse);
  check_op(tables, scratch_shape(s), {qkv}, outputs, forward,
           [&](size_t output, size_t, double) { return output == 0 ? relative * value : lse_bound; });

  // As the op that made them stores them.
  Floats out(results.outputs[0].begin(), results.outputs[0].end());
  if (std::is_same_v<T, bfloat16>) {
    for (float& each : out) each = to_float(to_bfloat16(each));
  }
  const Floats lses(results.outputs[1].begin(), results.outputs[1].end());
  const std::vector<Floats> inputs{qkv, dout, out, lses};
  const std::vector<Floats> dqkv{poison(s.tokens() * s.qkv_width())};
  // The gradient of a score is a difference of two dot products over a head.
  const double dscore = 2 * width * largest(dout) * value / std::sqrt(width);
  const double gradient = largest(run_reference(scratch_shape(s), inputs, dqkv, backward).outputs[0]);
  const double bound = (relative + kRounding * lse) * (gradient + dscore * value);
  check_op(tables, scratch_shape(s), inputs, dqkv, backward, [&](size_t, size_t, double) { return bound; });
}

void check_attention(const Shape& s, const Floats& qkv, const Floats& dout) {
  check_attention(all_tables(), 0, s, qkv, dout);
}

}  // namespace

TEST(attention_matches_the_reference) {
  Random random(11);
  for (const Shape& s : shapes()) {
    check_attention(s, random.normals(s.tokens() * s.qkv_width()), random.normals(s.tokens() * s.width()));
  }
}

TEST(attention_matches_the_reference_on_random_shapes) {
  Random random(12);
  for (int round = 0; round < 40; ++round) {
    Shape s{random.between(1, 3), random.between(1, 160), random.between(1, 5), random.between(1, 40)};
    s.kv_heads = s.heads;
    s.heads *= random.between(1, 3);
    check_attention(s, random.normals(s.tokens() * s.qkv_width()), random.normals(s.tokens() * s.width()));
  }
}

// Queries, keys, values and gradients that bfloat16 has; what is rounded are probabilities and gradients of scores.
TEST(attention_in_bfloat16_matches_the_reference) {
  Random random(17);
  const double rounding = 1.0 / (1 << 8);
  const auto check = [&](const Shape& s) {
    check_attention(bfloat16_tables(), rounding, s, random.short_normals(s.tokens() * s.qkv_width()),
                    random.short_normals(s.tokens() * s.width()));
  };
  for (const Shape& s : shapes()) check(s);
  for (int round = 0; round < 20; ++round) {
    Shape s{random.between(1, 3), random.between(1, 230), random.between(1, 5), random.between(1, 90)};
    s.kv_heads = s.heads;
    s.heads *= random.between(1, 3);
    check(s);
  }
}

// Scores of hundreds: most probabilities are zero, and whichever way the maximum moves from tile to tile the running
// sums must be rescaled or keep what they have.
TEST(attention_rescales_when_later_scores_are_larger) {
  Random random(13);
  for (const float slope : {0.1f, -0.1f, 1.0f, -1.0f}) {
    const Shape s{1, 210, 2, 8};
    Floats qkv = random.normals(s.tokens() * 3 * s.width(), 0.5f);
    for (int64_t t = 0; t < s.sequence; ++t) {
      for (int64_t c = 0; c < s.width(); ++c) {
        qkv[t * 3 * s.width() + c] += 1;
        qkv[t * 3 * s.width() + s.width() + c] += slope * static_cast<float>(t);
      }
    }
    check_attention(s, qkv, random.normals(s.tokens() * s.width()));
  }
}

// A text in pieces: what attention sees through the cache is what it sees of the whole text at once.
TEST(attention_through_the_cache_is_attention_of_the_whole_text) {
  Random random(16);
  for (const Shape& s : {Shape{1, 1, 1, 1}, {2, 33, 3, 7}, {1, 70, 6, 16, 2}, {3, 20, 4, 64, 1}}) {
    const Note note(text(s));
    const Floats qkv = random.normals(s.tokens() * s.qkv_width());
    const int64_t capacity = s.sequence + 5;
    const int64_t cached = s.batch * s.kv_heads * capacity * s.head_size;
    const std::vector<Floats> inputs{qkv};
    const Expected whole = run_reference(
        scratch_shape(s), inputs, {poison(s.tokens() * s.width()), poison(s.tokens() * s.heads)},
        [&](auto& ops, OpContext& context, auto& in, auto& out) {
          ops.attention_forward(context, out[0], out[1], in[0], s.batch, s.sequence, s.heads, s.kv_heads, s.head_size);
        });
    for (const int64_t piece : {int64_t{1}, int64_t{3}, s.sequence}) {
      const auto in_pieces = [&](auto& ops, OpContext& context, auto& in, auto& out) {
        using Value = std::remove_const_t<std::remove_reference_t<decltype(*out[0])>>;
        KeyValueCache<Value> cache{out[1], out[2], capacity, 0};
        std::vector<Value> part, result;
        for (int64_t begin = 0; begin < s.sequence; begin += piece) {
          const int64_t count = std::min(piece, s.sequence - begin);
          part.clear();
          for (int64_t b = 0; b < s.batch; ++b) {
            const auto* first = in[0] + (b * s.sequence + begin) * s.qkv_width();
            part.insert(part.end(), first, first + count * s.qkv_width());
          }
          result.assign(static_cast<size_t>(s.batch * count * s.width()), Value(0));
          ops.cache_append(context, cache, part.data(), s.batch, count, s.heads, s.kv_heads, s.head_size);
          cache.length += count;
          ops.attention_cached(context, result.data(), part.data(), cache, s.batch, count, s.heads, s.kv_heads,
                               s.head_size);
          for (int64_t b = 0; b < s.batch; ++b) {
            std::copy_n(result.data() + b * count * s.width(), count * s.width(),
                        out[0] + (b * s.sequence + begin) * s.width());
          }
        }
      };
      const double bound = kRounding * (64 + 4 * std::sqrt(static_cast<double>(s.head_size)) * 16);
      check_op(all_tables(), scratch_shape(s), inputs, {poison(s.tokens() * s.width()), Floats(cached), Floats(cached)},
               in_pieces, [&](size_t output, size_t, double) { return output == 0 ? bound : 0.0; });
      const Expected pieces = run_reference(
          scratch_shape(s), inputs, {poison(s.tokens() * s.width()), Floats(cached), Floats(cached)}, in_pieces);
      for (size_t i = 0; i < whole.outputs[0].size(); ++i) {
        CHECK_NEAR(pieces.outputs[0][i], whole.outputs[0][i], 1e-12);
      }
    }
  }
}

// A head or sequence full of NaN must not reach the others: all of them share blocks of memory and scratch.
TEST(attention_keeps_heads_and_sequences_apart) {
  Random random(14);
  const Shape s{3, 50, 3, 20};
  Floats qkv = random.short_normals(s.tokens() * 3 * s.width());
  const auto spoil = [&](int64_t b, int64_t head) {
    for (int64_t t = b * s.sequence; t < (b + 1) * s.sequence; ++t) {
      for (int64_t part = 0; part < 3; ++part) {
        for (int64_t d = 0; d < s.head_size; ++d) qkv[((t * 3 + part) * s.heads + head) * s.head_size + d] = NAN;
      }
    }
  };
  for_each_table([&](const auto& table) {
    const auto forward = [&] {
      return run_op(table, scratch_shape(s), 1, {qkv}, {poison(s.tokens() * s.width()), poison(s.tokens() * s.heads)},
                    [&](auto& ops, OpContext& context, auto& in, auto& out) {
                      ops.attention_forward(context, out[0], out[1], in[0], s.batch, s.sequence, s.heads, s.heads,
                                            s.head_size);
                    })
          .outputs[0];
    };
    const Floats clean = qkv;
    const Floats before = forward();
    for (const int64_t b : {0, 2}) {
      for (const int64_t head : {0, 1}) spoil(b, head);
    }
    const Floats after = forward();
    qkv = clean;
    for (int64_t i = 0; i < static_cast<int64_t>(before.size()); ++i) {
      const bool spoilt = i / (s.sequence * s.width()) != 1 && i / s.head_size % s.heads != 2;
      CHECK(spoilt ? std::isnan(after[i]) : after[i] == before[i]);
    }
  });
}

// A NaN or an infinity must show, or the model could not report it.
TEST(attention_propagates_nonfinite_scores) {
  Random random(15);
  const Shape s{1, 60, 1, 6};
  for (const float bad : {static_cast<float>(NAN), static_cast<float>(INFINITY)}) {
    for (const int64_t position : {0, 30, 59}) {
      Floats qkv = random.short_normals(s.tokens() * 3 * s.width());
      qkv[position * 3 * s.width()] = bad;  // a query
      for_each_table([&](const auto& table) {
        const Note note("token " + std::to_string(position));
        const Results results =
            run_op(table, scratch_shape(s), 1, {qkv}, {Floats(s.tokens() * s.width()), Floats(s.tokens())},
                   [&](auto& ops, OpContext& context, auto& in, auto& out) {
                     ops.attention_forward(context, out[0], out[1], in[0], 1, s.sequence, 1, 1, s.head_size);
                   });
        for (int64_t t = 0; t < s.sequence; ++t) {
          CHECK(std::isfinite(results.outputs[0][t * s.width()]) == (t != position));
          CHECK(std::isfinite(results.outputs[1][t]) == (t != position));
        }
      });
    }
  }
}

}  // namespace burgeon::test
