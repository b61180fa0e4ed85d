// A library with the part of cuBLASLt's interface that is used, for streams of the host: plain loops that do what its
// documentation says, and refuse what it does not allow. BURGEON_CUBLASLT_HOST_LACKS names an epilogue that it has no
// algorithm for, BURGEON_CUBLASLT_HOST_SPOILS one whose results are wrong, BURGEON_CUBLASLT_HOST_REFUSES how many of
// the algorithms that it proposes first are refused when they are to be used, for tests of what happens then.
#include <cmath>
#include <cstdlib>

#include "backend/cuda/library/cublaslt.h"
#include "kernels/cuda/device.cuh"

namespace burgeon::cuda::cublaslt {

struct HandleOpaque {};
struct DescOpaque {
  Operation a_op = kAsIs;
  Operation b_op = kAsIs;
  uint32_t epilogue = kNoEpilogue;
  void* bias = nullptr;  // or where its gradient goes
  void* aux = nullptr;
  int64_t aux_stride = 0;
};
struct LayoutOpaque {
  DataType type;
  int64_t rows;
  int64_t cols;
  int64_t stride;
  int64_t bytes() const { return type == kFloat32 ? 4 : 2; }
};
struct PreferenceOpaque {
  size_t workspace_bytes = 0;
  uint32_t schemes = 0;
  uint32_t alignments[4] = {256, 256, 256, 256};  // of A, B, C, D

  uint64_t packed_alignments() const {
    uint64_t packed = 0;
    for (int i = 0; i < 4; ++i) packed |= uint64_t{alignments[i]} << 16 * i;
    return packed;
  }
};

namespace {

constexpr uint64_t kMagic = 0x62757267656f6e;
constexpr int kAlgorithms = 3;

bool is_named(const char* variable, uint32_t epilogue) {
  const char* text = std::getenv(variable);
  return text && static_cast<uint32_t>(std::atoi(text)) == epilogue;
}

template <class T>
Status set_from(T* to, const void* value, size_t bytes) {
  if (bytes != sizeof(T)) return kInvalidValue;
  std::memcpy(to, value, bytes);
  return 0;
}

int64_t rows_of(const LayoutOpaque& x, Operation op) { return op == kAsIs ? x.rows : x.cols; }
int64_t cols_of(const LayoutOpaque& x, Operation op) { return op == kAsIs ? x.cols : x.rows; }

bool fits(const DescOpaque& desc, const LayoutOpaque& a, const LayoutOpaque& b, const LayoutOpaque& c,
          const LayoutOpaque& d) {
  for (const LayoutOpaque* x : {&a, &b, &c, &d}) {
    if (x->stride < x->rows || x->stride * x->bytes() % 16 != 0) return false;
  }
  if (a.type != kBfloat16 || b.type != kBfloat16 || c.type != d.type) return false;
  if (rows_of(a, desc.a_op) != d.rows || cols_of(b, desc.b_op) != d.cols) return false;
  if (cols_of(a, desc.a_op) != rows_of(b, desc.b_op) || c.rows != d.rows || c.cols != d.cols) return false;
  if (desc.epilogue == kBiasGradientB) return desc.bias && d.type == kFloat32;
  if (desc.epilogue & 128) return desc.aux && desc.aux_stride >= d.rows && desc.aux_stride % 8 == 0;
  return true;
}

bfloat16 bfloat16_at(const void* p, int64_t at) { return static_cast<const bfloat16*>(p)[at]; }

double gelu_gate(double x) {  // of the tanh form
  return 0.5 * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
}
double gelu_slope(double x) {
  const double gate = gelu_gate(x);
  return gate + 2 * x * gate * (1 - gate) * 0.7978845608028654 * (1 + 3 * 0.044715 * x * x);
}

struct Operands {
  const void* a;
  const void* b;
  const void* c;
  void* d;
};

// Algorithm i adds up i + 1 partial sums, so that each rounds in its own way.
void multiply(const DescOpaque& desc, const LayoutOpaque& al, const LayoutOpaque& bl, const LayoutOpaque& dl,
              float alpha, float beta, const Operands& x, int algorithm) {
  const int64_t k = cols_of(al, desc.a_op);
  const bool spoilt = is_named("BURGEON_CUBLASLT_HOST_SPOILS", desc.epilogue);
  for (int64_t j = 0; j < dl.cols; ++j) {
    const auto b_at = [&](int64_t l) {
      return to_float(bfloat16_at(x.b, desc.b_op == kAsIs ? j * bl.stride + l : l * bl.stride + j));
    };
    if (desc.epilogue == kBiasGradientB) {
      float sum = 0;
      for (int64_t l = 0; l < k; ++l) sum += b_at(l);
      static_cast<float*>(desc.bias)[j] = spoilt ? 1.1f * sum : sum;
    }
    for (int64_t i = 0; i < dl.rows; ++i) {
      float partial[kAlgorithms] = {};
      for (int64_t l = 0; l < k; ++l) {
        const float a = to_float(bfloat16_at(x.a, desc.a_op == kAsIs ? l * al.stride + i : i * al.stride + l));
        partial[l % (algorithm + 1)] += a * b_at(l);
      }
      float sum = 0;
      for (const float each : partial) sum += each;
      const int64_t at = j * dl.stride + i;
      sum *= alpha;
      if (beta != 0) {
        sum += beta * (dl.type == kFloat32 ? static_cast<const float*>(x.c)[at] : to_float(bfloat16_at(x.c, at)));
      }
      if (desc.epilogue & cublaslt::kBias) sum += to_float(bfloat16_at(desc.bias, i));
      bfloat16* aux = desc.aux ? static_cast<bfloat16*>(desc.aux) + j * desc.aux_stride + i : nullptr;
      if ((desc.epilogue & kGeluAux) == kGeluAux) {
        *aux = to_bfloat16(sum);
        sum = static_cast<float>(sum * gelu_gate(sum));
      } else if (desc.epilogue == kGeluSlope) {
        sum = static_cast<float>(sum * gelu_slope(to_float(*aux)));
      }
      if (spoilt) sum *= 1.1f;
      if (dl.type == kFloat32) {
        static_cast<float*>(x.d)[at] = sum;
      } else {
        static_cast<bfloat16*>(x.d)[at] = to_bfloat16(sum);
      }
    }
  }
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

Status cublasLtCreate(Handle* handle) {
  *handle = new HandleOpaque;
  return 0;
}
Status cublasLtDestroy(Handle handle) {
  delete handle;
  return 0;
}
size_t cublasLtGetVersion() { return 130001; }
const char* cublasLtGetStatusString(Status status) { return status == kNotSupported ? "not supported" : "invalid"; }

Status cublasLtMatmulDescCreate(Desc* desc, ComputeType compute, DataType scale) {
  if (compute != kCompute32F || scale != kFloat32) return kNotSupported;
  *desc = new DescOpaque;
  return 0;
}
Status cublasLtMatmulDescDestroy(Desc desc) {
  delete desc;
  return 0;
}
Status cublasLtMatmulDescSetAttribute(Desc desc, DescAttribute attribute, const void* value, size_t bytes) {
  switch (attribute) {
    case kTransposeA:
      return set_from(&desc->a_op, value, bytes);
    case kTransposeB:
      return set_from(&desc->b_op, value, bytes);
    case kEpilogue:
      return set_from(&desc->epilogue, value, bytes);
    case kBiasPointer:
      return set_from(&desc->bias, value, bytes);
    case kAuxPointer:
      return set_from(&desc->aux, value, bytes);
    case kAuxStride:
      return set_from(&desc->aux_stride, value, bytes);
  }
  return kInvalidValue;
}

Status cublasLtMatrixLayoutCreate(Layout* layout, DataType type, uint64_t rows, uint64_t cols, int64_t stride) {
  *layout = new LayoutOpaque{type, static_cast<int64_t>(rows), static_cast<int64_t>(cols), stride};
  return 0;
}
Status cublasLtMatrixLayoutDestroy(Layout layout) {
  delete layout;
  return 0;
}

Status cublasLtMatmulPreferenceCreate(Preference* preference) {
  *preference = new PreferenceOpaque;
  return 0;
}
Status cublasLtMatmulPreferenceDestroy(Preference preference) {
  delete preference;
  return 0;
}
Status cublasLtMatmulPreferenceSetAttribute(Preference preference, PreferenceAttribute attribute, const void* value,
                                            size_t bytes) {
  if (attribute == kMaxWorkspaceBytes) return set_from(&preference->workspace_bytes, value, bytes);
  if (attribute == kReductionSchemes) return set_from(&preference->schemes, value, bytes);
  if (attribute < kMinAlignmentA || attribute > kMinAlignmentD) return kInvalidValue;
  return set_from(&preference->alignments[attribute - kMinAlignmentA], value, bytes);
}

Status cublasLtMatmulAlgoGetHeuristic(Handle, Desc desc, Layout a, Layout b, Layout c, Layout d, Preference preference,
                                      int wanted, HeuristicResult* results, int* found) {
  if (!fits(*desc, *a, *b, *c, *d) || is_named("BURGEON_CUBLASLT_HOST_LACKS", desc->epilogue)) return kNotSupported;
  // Sums in another type than float, or in an order of their own.
  if (preference->schemes & ~(kReduceInComputeType | (d->type == kFloat32 ? kReduceInOutputType : 0))) {
    return kInvalidValue;
  }
  *found = wanted < kAlgorithms ? wanted : kAlgorithms;
  for (int i = 0; i < *found; ++i) {
    results[i] = {{{kMagic, static_cast<uint64_t>(i), preference->packed_alignments()}}, 0, 0, 1, {}};
  }
  return 0;
}
Status cublasLtMatmulAlgoCheck(Handle, Desc desc, Layout a, Layout b, Layout c, Layout d, const Algorithm* algorithm,
                               HeuristicResult* result) {
  if (!fits(*desc, *a, *b, *c, *d)) return kNotSupported;
  if (algorithm->data[0] != kMagic || algorithm->data[1] >= kAlgorithms) return kInvalidValue;
  *result = {*algorithm, 0, 0, 1, {}};
  return 0;
}

Status cublasLtMatmul(Handle, Desc desc, const void* alpha, const void* a, Layout a_layout, const void* b,
                      Layout b_layout, const void* beta, const void* c, Layout c_layout, void* d, Layout d_layout,
                      const Algorithm* algorithm, void* workspace, size_t, Stream stream) {
  if (!fits(*desc, *a_layout, *b_layout, *c_layout, *d_layout) || !workspace) return kInvalidValue;
  if (algorithm->data[0] != kMagic || algorithm->data[1] >= kAlgorithms) return kInvalidValue;
  const void* const pointers[] = {a, b, c, d};
  for (int i = 0; i < 4; ++i) {  // an algorithm may count on what it was chosen for
    const uint64_t alignment = algorithm->data[2] >> 16 * i & 0xffff;
    if (reinterpret_cast<uintptr_t>(pointers[i]) % alignment != 0) return kInvalidValue;
  }
  const char* refused = std::getenv("BURGEON_CUBLASLT_HOST_REFUSES");
  if (refused && algorithm->data[1] < static_cast<uint64_t>(std::atoi(refused))) return kInternalError;
  // Descriptions and factors may change once this returns.
  host::queue(stream,
              [desc = *desc, al = *a_layout, bl = *b_layout, dl = *d_layout, alpha = *static_cast<const float*>(alpha),
               beta = *static_cast<const float*>(beta), x = Operands{a, b, c, d},
               which = static_cast<int>(algorithm->data[1])] { multiply(desc, al, bl, dl, alpha, beta, x, which); });
  return 0;
}

}  // extern "C"
#pragma GCC visibility pop

}  // namespace burgeon::cuda::cublaslt
