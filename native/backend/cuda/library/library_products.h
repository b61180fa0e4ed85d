// Products by cuBLASLt, where it can be used: bfloat16 operands, sums in float, epilogues fused. Each function is one
// of kernels.h, and returns false where the library has nothing for it; then nothing was queued and the kernel of that
// name does it.
//
// The same shapes get the same algorithm: the first that the library proposes, or, with a file of plans, the fastest of
// its proposals when a shape first came, from then on by the file. Sums that are split are reduced in a fixed order.
// Only with such a file is the gradient of a bias left to the product that makes its weight's: where that was the same,
// and faster than a pass of its own, when the shape first came.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backend/cuda/library/cublaslt.h"
#include "backend/cuda/library/plan_file.h"
#include "core/bfloat16.h"

namespace burgeon::cuda {

class LibraryProducts {
 public:
  // The library that open() would use, or null, and why.
  static const cublaslt::Library* find(const std::string& path, std::string* why);

  // `device` is its name; `path` that of the library, empty for where it usually is, or "off"; `plans` that of the file
  // of plans, empty for none. Null where the library is not used. Throws Error(kCuda): the device fails, the file of
  // plans is not one.
  static std::unique_ptr<LibraryProducts> open(Stream stream, const std::string& device, const std::string& path,
                                               const std::string& plans);
  ~LibraryProducts();

  bool linear_expand(bfloat16* y, int64_t y_stride, const bfloat16* x, const bfloat16* w, const float* bias, int64_t n,
                     int64_t row_count, int64_t cols, float alpha);
  bool linear_contract(bfloat16* y, const bfloat16* x, int64_t x_stride, const bfloat16* w, const float* bias,
                       const bfloat16* residual, int64_t n, int64_t row_count, int64_t cols, float alpha,
                       float bias_scale);
  // And that of the bias, db, unless it is null; the scratch is that of linear_bias_gradient.
  bool linear_weight_gradient(float* dw, float* db, const bfloat16* p, int64_t p_stride, const bfloat16* q, int64_t n,
                              int64_t row_count, int64_t cols, float alpha, float beta, void* scratch);
  bool mlp_forward(bfloat16* act, bfloat16* pre, const bfloat16* x, const bfloat16* w, const float* bias, int64_t n,
                   int64_t row_count, int64_t cols);
  bool mlp_backward(bfloat16* dpre, const bfloat16* dy, const bfloat16* pre, const bfloat16* w, int64_t n,
                    int64_t row_count, int64_t cols, float alpha);

  // What computes products, for people: "cuBLASLt 13.1.1", and what it does not fuse as it should.
  const std::string& description() const { return description_; }

 private:
  // What follows the sum, and its type. Each is tested when the library is opened, and the last, a gradient with that
  // of the bias, when a shape of it is timed.
  enum Fused { kNothing, kBias, kGelu, kGeluSlope, kGradient, kGradients, kFusedCount };
  struct Product;
  struct Plan;

  LibraryProducts(const cublaslt::Library& library, Stream stream, std::unique_ptr<PlanFile> file);
  void test();
  bool queue(const Product& product);
  Plan& plan_of(const Product& product);
  void choose(const Product& product, const std::string& key, Plan* plan);
  std::vector<cublaslt::Algorithm> propose(const Product& product, const Plan& plan);
  // Returns the least of the times.
  double sort_by_time(const Product& product, Plan* plan);
  // Whether one product makes both gradients, in that time, better than two launches.
  bool both_pay(const Product& both, const Plan& plan, double taken);
  // Milliseconds; infinite where the call says that it is refused.
  double time(const std::function<bool()>& call);
  // Whether the product is queued: the library may refuse it.
  bool multiply(const Product& product, const Plan& plan, const cublaslt::Algorithm& algorithm, void* to);
  void check(cublaslt::Status status, const char* what) const;
  // alpha * bias in bfloat16, until the next call; null where there is none.
  const bfloat16* narrowed(const float* bias, int64_t count, float scale);

  const cublaslt::Library& library_;
  const Stream stream_;
  const std::unique_ptr<PlanFile> file_;
  std::string description_;
  cublaslt::Handle handle_ = nullptr;
  void* workspace_ = nullptr;
  bfloat16* bias_ = nullptr;
  float* sums_ = nullptr;  // the gradient of a bias as the library leaves it
  bool fuses_[kFusedCount];
  std::map<std::string, Plan> plans_;
};

}  // namespace burgeon::cuda
