#include "backend/select.h"

#include <algorithm>
#include <iterator>
#include <type_traits>

#include "backend/cpu/isa.h"
#include "backend/cuda/loader.h"
#include "backend/reference.h"
#include "core/error.h"

namespace burgeon {

namespace {

// From the least to the most capable.
constexpr const char* kIsas[] = {"baseline", "avx2", "avx512", "avx512bf16", "amx"};

int rank(const std::string& isa) {
  const auto* found = std::find(std::begin(kIsas), std::end(kIsas), isa);
  return found == std::end(kIsas) ? -1 : static_cast<int>(found - kIsas);
}

template <class T>
const Ops<T, float>& cpu_table(const std::string& isa) {
#ifdef BURGEON_X86_ISAS
  if (isa == "amx") return amx::table<T>();
  if (isa == "avx512bf16") return avx512bf16::table<T>();
  if (isa == "avx512") return avx512::table<T>();
  if (isa == "avx2") return avx2::table<T>();
#endif
  static_cast<void>(isa);
  return baseline::table<T>();
}

}  // namespace

template <class T, class W>
const Ops<T, W>& select_ops(const std::string& backend, const std::string& max_isa, Selection* selection) {
  constexpr bool kIsBfloat16 = std::is_same_v<T, bfloat16>;
  if (backend == "reference") {
    if constexpr (kIsBfloat16) {
      throw Error(ErrorCode::kBackend,
                  "precision bf16 needs the cpu backend; the reference computes in float32 or float64");
    } else {
      *selection = {"reference", "plain", "plain reference loops, as asked"};
      return ref::table<T>();
    }
  }
  if (backend != "cpu") {
    throw Error(ErrorCode::kBackend,
                "backend: expected \"cpu\", \"cuda\" or \"reference\", received \"" + backend + "\"");
  }
  if constexpr (!std::is_same_v<W, float>) {
    throw Error(ErrorCode::kBackend,
                "precision float64 needs the reference backend; the cpu backend computes in float32");
  } else {
    if (!max_isa.empty() && rank(max_isa) < 0) {
      throw Error(ErrorCode::kBackend,
                  "BURGEON_MAX_ISA: expected amx, avx512bf16, avx512, avx2 or baseline, received \"" + max_isa + "\"");
    }
    const std::string best = best_isa();
    const std::string isa = max_isa.empty() || rank(max_isa) >= rank(best) ? best : max_isa;
    *selection = {
        "cpu", isa,
        isa == best ? "best instruction set of this processor" : "limited by BURGEON_MAX_ISA (has " + best + ")"};
    return cpu_table<T>(isa);
  }
}

template <class T, class W>
void require_every_op(const Ops<T, W>& ops) {
  const auto require = [&](bool has, const char* op) {
    if (has) return;
    throw Error(ErrorCode::kBackend, std::string("backend ") + ops.name +
                                         ": expected every op in its table, found no " + op +
                                         "; it was built from other sources, build it again");
  };
#define BURGEON_REQUIRE_OP(name, Signature) require(ops.name, #name);
  BURGEON_COMMON_OPS(BURGEON_REQUIRE_OP)
  if (ops.compact) {
    BURGEON_COMPACT_OPS(BURGEON_REQUIRE_OP)
  }
#undef BURGEON_REQUIRE_OP
}

namespace {

template <class T>
Backend<T> select_cuda(const BackendOptions& options, Selection* selection) {
  if constexpr (std::is_same_v<T, double>) {
    throw Error(ErrorCode::kBackend, "precision float64 needs the reference backend; cuda computes in bf16 or float32");
  } else {
    const cuda::Api& api = cuda::load_library(options.cuda_library);
    const std::shared_ptr<Device> device =
        cuda::open_device(api, options.cuda_device, options.cublaslt, options.cuda_plans, options.nccl);
    const cuda::ApiDevice described = cuda::describe_device(api, options.cuda_device);
    *selection = {"cuda", "sm_" + std::to_string(described.major) + std::to_string(described.minor),
                  std::string(described.name) + " (library built with " + api.toolkit + " for " + api.architectures +
                      "; products by " + api.products(static_cast<cuda::Queue*>(device->queue())) + ")"};
    if constexpr (std::is_same_v<T, bfloat16>) {
      return {api.bfloat16_ops, device};
    } else {
      return {api.float_ops, device};
    }
  }
}

template <class T, class W>
Backend<T, W> open_backend(const BackendOptions& options, Selection* selection) {
  if constexpr (std::is_same_v<T, W>) {
    if (options.backend == "cuda") return select_cuda<T>(options, selection);
  }
  if constexpr (std::is_same_v<W, bfloat16>) {
    throw Error(ErrorCode::kBackend, "weights in bfloat16 need the cuda backend");
  } else {
    const std::shared_ptr<Device> host(&host_device(), [](Device*) {});
    if constexpr (std::is_same_v<T, W>) {
      if (options.backend == "reference-compact") {
        *selection = {"reference", "plain", "plain reference loops on gathered operands, as asked"};
        return {&ref::table<T>(true), host};
      }
    }
    return {&select_ops<T, W>(options.backend, options.max_isa, selection), host};
  }
}

}  // namespace

// Whether CUDA devices have tables of these types.
template <class T, class W>
constexpr bool is_cuda = std::is_same_v<T, W> && !std::is_same_v<T, double>;

template <class T, class W>
Backend<T, W> select_backend(const BackendOptions& options, Selection* selection) {
  const Backend<T, W> backend = open_backend<T, W>(options, selection);
  require_every_op(*backend.ops);
  return backend;
}

template <class T, class W>
const Ops<T, W>& find_ops(const BackendOptions& options) {
  Selection selection;
  if constexpr (is_cuda<T, W>) {
    if (options.backend == "cuda") {
      const cuda::Api& api = cuda::load_library(options.cuda_library);
      if constexpr (std::is_same_v<T, bfloat16>) {
        return *api.bfloat16_ops;
      } else {
        return *api.float_ops;
      }
    }
  }
  return *select_backend<T, W>(options, &selection).ops;
}

DeviceMemory device_memory(const BackendOptions& options) {
  if (options.backend != "cuda") return {host_device().capacity(), host_device().name()};
  try {
    const cuda::ApiDevice found = cuda::describe_device(cuda::load_library(options.cuda_library), options.cuda_device);
    return {found.memory, found.name};
  } catch (const Error&) {
    return {0, ""};
  }
}

#define BURGEON_SELECT(T, W)                                                      \
  template void require_every_op(const Ops<T, W>&);                               \
  template Backend<T, W> select_backend<T, W>(const BackendOptions&, Selection*); \
  template const Ops<T, W>& find_ops<T, W>(const BackendOptions&);
BURGEON_SELECT(float, float)
BURGEON_SELECT(double, double)
BURGEON_SELECT(bfloat16, bfloat16)
BURGEON_SELECT(bfloat16, float)
#undef BURGEON_SELECT
template const Ops<float>& select_ops(const std::string&, const std::string&, Selection*);
template const Ops<double>& select_ops(const std::string&, const std::string&, Selection*);
template const Ops<bfloat16, float>& select_ops(const std::string&, const std::string&, Selection*);

}  // namespace burgeon
