#include "backend/cuda/library/library_products.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "backend/cuda/library/trial.h"
#include "core/error.h"
#include "kernels/cuda/runtime.h"
#include "ops/cuda_kernels.h"

namespace burgeon::cuda {

using namespace cublaslt;

namespace {

constexpr size_t kWorkspaceBytes = size_t{64} << 20;
constexpr int64_t kWidestBias = 65536;
constexpr int kCandidates = 8;
constexpr const char* kOff = "off";
constexpr double kRefused = std::numeric_limits<double>::infinity();  // the time of what is not done

// What says that there is no such product, or no such algorithm for it, and not that the device has failed.
bool is_refusal(Status status) {
  return status == kNotSupported || status == kInvalidValue || status == kArchitectureMismatch ||
         status == kInternalError;
}

// What the library's fast algorithms ask of an operand.
bool is_aligned(const void* address, int64_t stride, int64_t element_bytes) {
  return reinterpret_cast<uintptr_t>(address) % 16 == 0 && stride * element_bytes % 16 == 0;
}

}  // namespace

const Library* LibraryProducts::find(const std::string& path, std::string* why) {
  if (path == kOff) {
    *why = "cuBLASLt is off";
    return nullptr;
  }
  if (path.empty() && !is_real()) {
    *why = "cuBLASLt has no device";
    return nullptr;
  }
  return load(path, why);
}

// The largest power of two, up to what memory of a device begins at, that an address is a multiple of.
uint32_t alignment_of(const void* address) {
  constexpr uint32_t kMost = 256;
  const uint32_t place = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(address) % kMost);
  return place == 0 ? kMost : place & (~place + 1);
}

// In the library's terms, whose matrices lie column by column: D (m, n) = alpha op(A) op(B) + beta C, then what is
// fused. A row-major matrix is its own transpose there, so a product of ours has its factors exchanged.
struct LibraryProducts::Product {
  Fused fused;
  Operation a_op;
  Operation b_op;
  int64_t m;
  int64_t n;
  int64_t k;
  const bfloat16* a;
  int64_t a_stride;
  const bfloat16* b;
  int64_t b_stride;
  void* d;
  int64_t d_stride;
  float alpha;
  float beta = 0;
  const void* c = nullptr;     // null: D
  const void* bias = nullptr;  // or its gradient
  void* aux = nullptr;         // (m, n), with m as its stride

  bool is_gradient() const { return fused == kGradient || fused == kGradients; }
  DataType d_type() const { return is_gradient() ? kFloat32 : kBfloat16; }
  int64_t d_bytes() const { return is_gradient() ? 4 : 2; }
  Epilogue epilogue() const {
    switch (fused) {
      case kBias:
        return cublaslt::kBias;
      case kGelu:
        return bias ? kGeluAuxBias : kGeluAux;
      case kGeluSlope:
        return cublaslt::kGeluSlope;
      case kGradients:
        return kBiasGradientB;
      default:
        return kNoEpilogue;
    }
  }
  const void* added() const { return c ? c : d; }
  // Everything that a plan depends on.
  std::string key() const {
    std::string text;
    for (const int64_t number :
         {int64_t{a_op}, int64_t{b_op}, m, n, k, a_stride, b_stride, d_stride, int64_t{d_type()}, int64_t{epilogue()},
          int64_t{beta != 0}, int64_t{beta != 0 && c != d}, int64_t{alignment_of(a)}, int64_t{alignment_of(b)},
          int64_t{alignment_of(added())}, int64_t{alignment_of(d)}}) {
      text += std::to_string(number) + " ";
    }
    text.pop_back();
    return text;
  }
};

// Descriptors of a product and the algorithms it takes, the best first; without one the library has none.
struct LibraryProducts::Plan {
  Plan() = default;
  Plan(const Plan&) = delete;
  ~Plan() {
    if (desc) library->desc_destroy(desc);
    for (const Layout layout : {a, b, d}) {
      if (layout) library->layout_destroy(layout);
    }
  }

  const Library* library = nullptr;
  Desc desc = nullptr;
  Layout a = nullptr;
  Layout b = nullptr;
  Layout d = nullptr;  // and of C
  std::vector<Algorithm> algorithms;
};

std::unique_ptr<LibraryProducts> LibraryProducts::open(Stream stream, const std::string& device,
                                                       const std::string& path, const std::string& plans) {
  std::string why;
  const Library* library = find(path, &why);
  if (!library) {
    if (path.empty() || path == kOff) return nullptr;
    throw Error(ErrorCode::kCuda, why);
  }
  std::unique_ptr<PlanFile> file;
  if (!plans.empty()) file = std::make_unique<PlanFile>(plans, device, library->name);
  std::unique_ptr<LibraryProducts> products(new LibraryProducts(*library, stream, std::move(file)));
  products->test();
  return products;
}

LibraryProducts::LibraryProducts(const Library& library, Stream stream, std::unique_ptr<PlanFile> file)
    : library_(library), stream_(stream), file_(std::move(file)), description_(library.name) {
  std::fill(std::begin(fuses_), std::end(fuses_), true);
  check(library_.create(&handle_), "a handle");
  workspace_ = allocate(kWorkspaceBytes);
  bias_ = static_cast<bfloat16*>(allocate(kWidestBias * sizeof(bfloat16)));
  sums_ = static_cast<float*>(allocate(kWidestBias * sizeof(float)));
  if (!workspace_ || !bias_ || !sums_) {
    throw Error(ErrorCode::kCuda, "cuBLASLt: the device has no memory left for its workspace");
  }
}

LibraryProducts::~LibraryProducts() {
  plans_.clear();
  if (handle_) library_.destroy(handle_);
  if (workspace_) release(workspace_);
  if (bias_) release(bias_);
  if (sums_) release(sums_);
}

bool LibraryProducts::linear_expand(bfloat16* y, int64_t y_stride, const bfloat16* x, const bfloat16* w,
                                    const float* bias, int64_t n, int64_t row_count, int64_t cols, float alpha) {
  if (row_count > kWidestBias && bias) return false;
  Product product{
      bias ? kBias : kNothing, kTransposed, kAsIs, row_count, n, cols, w, cols, x, cols, y, y_stride, alpha};
  product.bias = narrowed(bias, row_count, 1);
  return queue(product);
}

bool LibraryProducts::linear_contract(bfloat16* y, const bfloat16* x, int64_t x_stride, const bfloat16* w,
                                      const float* bias, const bfloat16* residual, int64_t n, int64_t row_count,
                                      int64_t cols, float alpha, float bias_scale) {
  if (cols > kWidestBias && bias) return false;
  Product product{bias ? kBias : kNothing, kAsIs, kAsIs, cols, n, row_count, w, cols, x, x_stride, y, cols, alpha};
  product.bias = narrowed(bias, cols, bias_scale);
  product.c = residual;
  product.beta = residual ? 1 : 0;
  return queue(product);
}

bool LibraryProducts::linear_weight_gradient(float* dw, float* db, const bfloat16* p, int64_t p_stride,
                                             const bfloat16* q, int64_t n, int64_t row_count, int64_t cols, float alpha,
                                             float beta, void* scratch) {
  Product product{kGradient, kAsIs, kTransposed, cols, row_count, n, q, cols, p, p_stride, dw, cols, alpha};
  product.beta = beta;
  // Nothing says whether alpha scales the gradient of the bias.
  if (db && file_ && alpha == 1 && row_count <= kWidestBias) {
    Product both = product;
    both.fused = kGradients;
    both.bias = sums_;
    if (queue(both)) {
      add_bias_gradient(stream_, db, sums_, row_count, beta);
      return true;
    }
  }
  if (!queue(product)) return false;
  if (db) linear_bias_gradient<bfloat16>(stream_, db, p, p_stride, n, row_count, 1, beta, scratch);
  return true;
}

bool LibraryProducts::mlp_forward(bfloat16* act, bfloat16* pre, const bfloat16* x, const bfloat16* w, const float* bias,
                                  int64_t n, int64_t row_count, int64_t cols) {
  if (row_count <= kWidestBias) {
    Product product{kGelu, kTransposed, kAsIs, row_count, n, cols, w, cols, x, cols, act, row_count, 1};
    product.bias = narrowed(bias, row_count, 1);
    product.aux = pre;
    if (queue(product)) return true;
  }
  if (!linear_expand(pre, row_count, x, w, bias, n, row_count, cols, 1)) return false;
  gelu_forward<bfloat16>(stream_, act, pre, n * row_count);
  return true;
}

bool LibraryProducts::mlp_backward(bfloat16* dpre, const bfloat16* dy, const bfloat16* pre, const bfloat16* w,
                                   int64_t n, int64_t row_count, int64_t cols, float alpha) {
  Product product{kGeluSlope, kTransposed, kAsIs, row_count, n, cols, w, cols, dy, cols, dpre, row_count, alpha};
  product.aux = const_cast<bfloat16*>(pre);  // read only
  if (queue(product)) return true;
  if (!linear_expand(dpre, row_count, dy, w, nullptr, n, row_count, cols, alpha)) return false;
  gelu_backward<bfloat16>(stream_, dpre, pre, n * row_count);
  return true;
}

const bfloat16* LibraryProducts::narrowed(const float* bias, int64_t count, float scale) {
  if (!bias) return nullptr;
  narrow_scaled(stream_, bias_, bias, count, scale);
  return bias_;
}

bool LibraryProducts::queue(const Product& product) {
  if (!fuses_[product.fused]) return false;
  if (!is_aligned(product.a, product.a_stride, 2) || !is_aligned(product.b, product.b_stride, 2) ||
      !is_aligned(product.d, product.d_stride, product.d_bytes()) || !is_aligned(product.aux, product.m, 2) ||
      !is_aligned(product.c, product.d_stride, product.d_bytes())) {
    return false;
  }
  Plan& plan = plan_of(product);
  // What the library proposes it may yet refuse.
  while (!plan.algorithms.empty()) {
    if (multiply(product, plan, plan.algorithms.front(), product.d)) return true;
    plan.algorithms.erase(plan.algorithms.begin());
  }
  return false;
}

bool LibraryProducts::multiply(const Product& product, const Plan& plan, const Algorithm& algorithm, void* to) {
  if (product.bias) check(library_.desc_set(plan.desc, kBiasPointer, &product.bias, sizeof(product.bias)), "a bias");
  if (product.aux) check(library_.desc_set(plan.desc, kAuxPointer, &product.aux, sizeof(product.aux)), "an activation");
  const Status status =
      library_.matmul(handle_, plan.desc, &product.alpha, product.a, plan.a, product.b, plan.b, &product.beta,
                      product.added(), plan.d, to, plan.d, &algorithm, workspace_, kWorkspaceBytes, stream_);
  if (is_refusal(status)) return false;
  check(status, "a product");
  ++launch_count();
  return true;
}

LibraryProducts::Plan& LibraryProducts::plan_of(const Product& product) {
  const std::string key = product.key();
  const auto [place, is_new] = plans_.try_emplace(key);
  Plan& plan = place->second;
  if (!is_new) return plan;
  plan.library = &library_;
  const auto set = [&](DescAttribute attribute, const auto& value) {
    check(library_.desc_set(plan.desc, attribute, &value, sizeof(value)), "a description");
  };
  check(library_.desc_create(&plan.desc, kCompute32F, kFloat32), "a description");
  set(kTransposeA, product.a_op);
  set(kTransposeB, product.b_op);
  set(kEpilogue, product.epilogue());
  // Their alignment counts when an algorithm is chosen.
  if (product.bias) set(kBiasPointer, product.bias);
  if (product.aux) {
    set(kAuxPointer, product.aux);
    set(kAuxStride, product.m);
  }
  const auto layout = [&](Layout* made, DataType type, Operation op, int64_t rows, int64_t cols, int64_t stride) {
    if (op == kTransposed) std::swap(rows, cols);
    check(library_.layout_create(made, type, static_cast<uint64_t>(rows), static_cast<uint64_t>(cols), stride),
          "a layout");
  };
  layout(&plan.a, kBfloat16, product.a_op, product.m, product.k, product.a_stride);
  layout(&plan.b, kBfloat16, product.b_op, product.k, product.n, product.b_stride);
  layout(&plan.d, product.d_type(), kAsIs, product.m, product.n, product.d_stride);
  choose(product, key, &plan);
  return plan;
}

void LibraryProducts::choose(const Product& product, const std::string& key, Plan* plan) {
  const Algorithm* kept = file_ ? file_->find(key) : nullptr;
  if (kept && product.fused == kGradients && PlanFile::is_none(*kept)) return;
  if (kept) {
    HeuristicResult result{};
    const Status status =
        library_.check_algorithm(handle_, plan->desc, plan->a, plan->b, plan->d, plan->d, kept, &result);
    if (status != 0) kept = nullptr;
  }
  if (kept) plan->algorithms.push_back(*kept);
  if (kept && product.fused == kGradients) return;  // nobody has compared what the others give
  const std::vector<Algorithm> proposed = propose(product, *plan);
  plan->algorithms.insert(plan->algorithms.end(), proposed.begin(), proposed.end());
  if (!file_ || kept || proposed.empty()) return;
  const double taken = sort_by_time(product, plan);
  if (plan->algorithms.empty()) return;
  if (product.fused == kGradients) plan->algorithms.resize(both_pay(product, *plan, taken) ? 1 : 0);
  file_->add(key, plan->algorithms.empty() ? PlanFile::none() : plan->algorithms.front());
}

bool LibraryProducts::both_pay(const Product& both, const Plan& plan, double taken) {
  Product product = both;
  product.fused = kGradient;
  product.bias = nullptr;
  const Plan& alone = plan_of(product);
  if (alone.algorithms.empty()) return false;
  const int64_t row_count = product.n;
  const auto* const p = product.b;
  const auto bytes_of = [](int64_t count) { return static_cast<size_t>(count) * sizeof(float); };
  void* const to = allocate(bytes_of(product.n * product.d_stride));
  float* const sums = static_cast<float*>(allocate(bytes_of(row_count)));
  void* const scratch = allocate(linear_bias_gradient_scratch_bytes(product.k, row_count));
  bool pay = false;
  if (to && sums && scratch) {
    const double apart =
        time([&] { return multiply(product, alone, alone.algorithms.front(), to); }) + time([&] {
          linear_bias_gradient<bfloat16>(stream_, sums, p, product.b_stride, product.k, row_count, 1, 0, scratch);
          return true;
        });
    pay =
        taken < apart && multiply(both, plan, plan.algorithms.front(), to) && are_near(stream_, sums_, sums, row_count);
  }
  for (void* const block : {to, static_cast<void*>(sums), scratch}) {
    if (block) release(block);
  }
  return pay;
}

std::vector<Algorithm> LibraryProducts::propose(const Product& product, const Plan& plan) {
  Preference preference = nullptr;
  check(library_.preference_create(&preference), "a preference");
  const auto prefer = [&](PreferenceAttribute attribute, const auto& value) {
    return library_.preference_set(preference, attribute, &value, sizeof(value));
  };
  HeuristicResult results[kCandidates];
  int found = 0;
  // A product may be split along k where the parts are added up in one order, in float.
  const uint32_t schemes = kReduceInComputeType | (product.is_gradient() ? kReduceInOutputType : 0);
  const bool set = prefer(kMaxWorkspaceBytes, kWorkspaceBytes) == 0 && prefer(kReductionSchemes, schemes) == 0 &&
                   prefer(kMinAlignmentA, alignment_of(product.a)) == 0 &&
                   prefer(kMinAlignmentB, alignment_of(product.b)) == 0 &&
                   prefer(kMinAlignmentC, alignment_of(product.added())) == 0 &&
                   prefer(kMinAlignmentD, alignment_of(product.d)) == 0;
  Status status = kNotSupported;
  if (set) {
    status = library_.get_heuristic(handle_, plan.desc, plan.a, plan.b, plan.d, plan.d, preference, kCandidates,
                                    results, &found);
  }
  library_.preference_destroy(preference);
  if (is_refusal(status)) return {};
  check(status, "a choice of algorithms");
  std::vector<Algorithm> proposed;
  for (const HeuristicResult* each = results; each != results + found; ++each) {
    if (each->state == 0 && each->workspace_bytes <= kWorkspaceBytes) proposed.push_back(each->algorithm);
  }
  return proposed;
}

// Those that are refused go.
double LibraryProducts::sort_by_time(const Product& product, Plan* plan) {
  void* const to = allocate(static_cast<size_t>(product.n * product.d_stride * product.d_bytes()));
  if (!to) return kRefused;
  const std::vector<Algorithm> proposed = plan->algorithms;
  std::vector<std::pair<double, size_t>> order;  // milliseconds, and which of the proposed
  for (size_t i = 0; i < proposed.size(); ++i) {
    const double taken = time([&] { return multiply(product, *plan, proposed[i], to); });
    if (taken < kRefused) order.emplace_back(taken, i);
  }
  release(to);
  std::sort(order.begin(), order.end());
  plan->algorithms.clear();
  for (const auto& [taken, i] : order) plan->algorithms.push_back(proposed[i]);
  return order.empty() ? kRefused : order.front().first;
}

double LibraryProducts::time(const std::function<bool()>& call) {
  constexpr int kRounds = 5;
  const Event begin = open_event();
  const Event end = open_event();
  double least = kRefused;
  for (int round = 0; round <= kRounds; ++round) {
    record(stream_, begin);
    if (!call()) break;
    record(stream_, end);
    const double taken = milliseconds(begin, end);
    if (round > 0) least = std::min(least, taken);  // the first warms up
  }
  close_event(begin);
  close_event(end);
  return least;
}

void LibraryProducts::check(Status status, const char* what) const {
  if (status == 0) return;
  throw Error(ErrorCode::kCuda, description_ + ": " + what + ": " + library_.get_status_string(status));
}

// Each kind of product as a step has it, against the kernels.
void LibraryProducts::test() {
  constexpr int64_t n = Trial::kTokens;
  constexpr int64_t rows = Trial::kRows;
  constexpr int64_t cols = Trial::kCols;
  Trial t(stream_);
  bool works[kGradients];
  works[kNothing] = t.agree<bfloat16>(
      n * cols,
      [&](bfloat16* y) { return linear_contract(y, t.wide, rows, t.w, nullptr, t.residual, n, rows, cols, 0.5f, 0); },
      [&](bfloat16* y) {
        cuda::linear_contract<bfloat16>(stream_, y, t.wide, rows, t.w, nullptr, t.residual, n, rows, cols, 0.5f, 0);
      });
  works[kBias] = t.agree<bfloat16>(
      n * rows, [&](bfloat16* y) { return linear_expand(y, rows, t.x, t.w, t.bias, n, rows, cols, 1); },
      [&](bfloat16* y) { cuda::linear_expand<bfloat16>(stream_, y, rows, t.x, t.w, t.bias, n, rows, cols, 1); });
  // The activation and, behind it, what it is of.
  works[kGelu] = t.agree<bfloat16>(
      2 * n * rows, [&](bfloat16* act) { return mlp_forward(act, act + n * rows, t.x, t.w, t.bias, n, rows, cols); },
      [&](bfloat16* act) {
        cuda::mlp_forward<bfloat16>(stream_, act, act + n * rows, t.x, t.w, t.bias, n, rows, cols);
      });
  works[kGeluSlope] = t.agree<bfloat16>(
      n * rows, [&](bfloat16* d) { return mlp_backward(d, t.x, t.wide, t.w, n, rows, cols, 0.5f); },
      [&](bfloat16* d) { cuda::mlp_backward<bfloat16>(stream_, d, t.x, t.wide, t.w, n, rows, cols, 0.5f); });
  works[kGradient] = t.agree<float>(
      rows * cols,
      [&](float* dw) {
        return linear_weight_gradient(dw, nullptr, t.wide, rows, t.x, n, rows, cols, 0.5f, 1, nullptr);
      },
      [&](float* dw) {
        cuda::linear_weight_gradient<bfloat16>(stream_, dw, t.wide, rows, t.x, n, rows, cols, 0.5f, 1, nullptr);
      });
  constexpr const char* kNames[] = {"plain products", "biases", "GELU", "the slope of GELU", "gradients"};
  for (int i = 0; i < kGradients; ++i) {
    fuses_[i] = works[i];
    if (!works[i]) description_ += std::string(i == 0 || works[i - 1] ? ", not for " : ", ") + kNames[i];
  }
}

}  // namespace burgeon::cuda
