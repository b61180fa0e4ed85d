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

const Ops<float>& cpu_table(const std::string& isa, bool bfloat16) {
#ifdef BURGEON_X86_ISAS
  if (isa == "amx") return amx::table(bfloat16);
  if (isa == "avx512bf16") return avx512bf16::table(bfloat16);
  if (isa == "avx512") return avx512::table(bfloat16);
  if (isa == "avx2") return avx2::table(bfloat16);
#endif
  static_cast<void>(isa);
  return baseline::table(bfloat16);
}

}  // namespace

template <class T>
const Ops<T>& select_ops(const std::string& backend, const std::string& max_isa, Precision precision,
                         Selection* selection) {
  if (backend == "reference") {
    if (precision == Precision::kBfloat16) {
      throw Error(ErrorCode::kBackend,
                  "precision bf16 needs the cpu backend; the reference computes in float32 or float64");
    }
    *selection = {"reference", "plain", "plain reference loops, as asked"};
    return ref::table<T>();
  }
  if (backend != "cpu") {
    throw Error(ErrorCode::kBackend,
                "backend: expected \"cpu\", \"cuda\" or \"reference\", received \"" + backend + "\"");
  }
  if constexpr (!std::is_same_v<T, float>) {
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
    return cpu_table(isa, precision == Precision::kBfloat16);
  }
}

namespace {

template <class T>
Backend<T> select_cuda(const BackendOptions& options, Selection* selection) {
  if constexpr (std::is_same_v<T, double>) {
    throw Error(ErrorCode::kBackend, "precision float64 needs the reference backend; cuda computes in bf16 or float32");
  } else {
    const cuda::Api& api = cuda::load_library(options.cuda_library);
    const std::shared_ptr<Device> device =
        cuda::open_device(api, options.cuda_device, options.cublaslt, options.cuda_plans);
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

}  // namespace

template <class T>
Backend<T> select_backend(const BackendOptions& options, Selection* selection) {
  if (options.backend == "cuda") return select_cuda<T>(options, selection);
  if constexpr (std::is_same_v<T, bfloat16>) {
    throw Error(ErrorCode::kBackend, "activations in bfloat16 need the cuda backend");
  } else {
    const std::shared_ptr<Device> host(&host_device(), [](Device*) {});
    if (options.backend == "reference-compact") {
      *selection = {"reference", "plain", "plain reference loops on gathered operands, as asked"};
      return {&ref::table<T>(true), host};
    }
    return {&select_ops<T>(options.backend, options.max_isa, options.precision, selection), host};
  }
}

template <class T>
const Ops<T>& find_ops(const BackendOptions& options) {
  Selection selection;
  if constexpr (std::is_same_v<T, bfloat16>) {
    if (options.backend == "cuda") return *cuda::load_library(options.cuda_library).bfloat16_ops;
  } else if constexpr (std::is_same_v<T, float>) {
    if (options.backend == "cuda") return *cuda::load_library(options.cuda_library).float_ops;
  }
  return *select_backend<T>(options, &selection).ops;
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

template Backend<float> select_backend<float>(const BackendOptions&, Selection*);
template Backend<double> select_backend<double>(const BackendOptions&, Selection*);
template Backend<bfloat16> select_backend<bfloat16>(const BackendOptions&, Selection*);
template const Ops<float>& find_ops<float>(const BackendOptions&);
template const Ops<double>& find_ops<double>(const BackendOptions&);
template const Ops<bfloat16>& find_ops<bfloat16>(const BackendOptions&);
template const Ops<float>& select_ops<float>(const std::string&, const std::string&, Precision, Selection*);
template const Ops<double>& select_ops<double>(const std::string&, const std::string&, Precision, Selection*);

}  // namespace burgeon
