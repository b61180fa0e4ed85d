// The table of fast CPU ops of one instruction set; compiled once per instruction set like the ops themselves.
#include "backend/backend.h"
#include "kernels/cpu/product.h"

namespace burgeon::BURGEON_ISA {

#define BURGEON_DECLARE_OP(name, Signature) \
  template <class T>                        \
  Signature<T, float> name;
BURGEON_COMMON_OPS(BURGEON_DECLARE_OP)
BURGEON_OPTIONAL_OPS(BURGEON_DECLARE_OP)
#undef BURGEON_DECLARE_OP
template <class Operand>
int64_t multiply_burst(float* data, int64_t rounds);

size_t norm_scratch_bytes(int64_t width);
size_t global_norm_scratch_bytes();
template <class T>
size_t attention_forward_scratch_bytes(int64_t sequence, int64_t head_size);
template <class T>
size_t attention_backward_scratch_bytes(int64_t sequence, int64_t head_size);

namespace {

// Ops run one after another, so scratch is as large as its hungriest user needs.
template <class T>
ScratchSize scratch_size(const ScratchShape& shape) {
  ScratchSize size = product_scratch<T>(shape.wide, shape.width);
  const auto include = [](size_t& bytes, size_t others) { bytes = bytes > others ? bytes : others; };
  include(size.shared, norm_scratch_bytes(shape.width));
  include(size.shared, global_norm_scratch_bytes());
  include(size.per_thread, attention_forward_scratch_bytes<T>(shape.sequence_length, shape.head_size));
  include(size.per_thread, attention_backward_scratch_bytes<T>(shape.sequence_length, shape.head_size));
  return size;
}

#define BURGEON_TEXT(x) #x
#define BURGEON_NAME(x) BURGEON_TEXT(x)

template <class T>
constexpr Ops<T, float> make_table() {
  Ops<T, float> ops{};
  ops.name = BURGEON_NAME(BURGEON_ISA);
  ops.compact = false;
  ops.alignment = 64;
  ops.row_multiple = 1;
  ops.logit_multiple = 1;
  ops.logit_bytes = int64_t{128} << 20;
  ops.scratch_size = scratch_size<T>;
  BURGEON_COMMON_OPS(BURGEON_SET_OP)
  BURGEON_OPTIONAL_OPS(BURGEON_SET_OP)
  ops.multiply_burst = multiply_burst<OperandOf<T>>;
  return ops;
}

}  // namespace

template <class T>
const Ops<T, float>& table() {
  static constexpr Ops<T, float> ops = make_table<T>();
  return ops;
}

template const Ops<float>& table<float>();
template const Ops<bfloat16, float>& table<bfloat16>();

}  // namespace burgeon::BURGEON_ISA
