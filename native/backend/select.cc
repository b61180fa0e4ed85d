#include "backend/select.h"

#include <type_traits>

#include "backend/cpu/isa.h"
#include "backend/reference.h"
#include "core/error.h"

namespace burgeon {

template <class T>
const Ops<T>& select_ops(const std::string& backend, const std::string& max_isa, Selection* selection) {
  if (backend == "reference") {
    *selection = {"reference", "plain", "plain reference loops, as asked"};
    return ref::table<T>();
  }
  if (backend != "cpu") {
    throw Error(ErrorCode::kBackend, "backend: expected \"cpu\" or \"reference\", received \"" + backend + "\"");
  }
  if constexpr (!std::is_same_v<T, float>) {
    throw Error(ErrorCode::kBackend, "precision float64 needs the reference backend; the cpu backend computes in float32");
  } else {
    if (!max_isa.empty() && max_isa != "avx512" && max_isa != "avx2" && max_isa != "baseline") {
      throw Error(ErrorCode::kBackend,
                  "BURGEON_MAX_ISA: expected avx512, avx2 or baseline, received \"" + max_isa + "\"");
    }
    const std::string best = best_isa();
    std::string isa = best;
    if (max_isa == "baseline" || (max_isa == "avx2" && best == "avx512")) isa = max_isa;
    *selection = {"cpu", isa,
                  isa == best ? "best instruction set of this processor" : "limited by BURGEON_MAX_ISA (has " + best + ")"};
#ifdef BURGEON_X86_ISAS
    if (isa == "avx512") return avx512::table();
    if (isa == "avx2") return avx2::table();
#endif
    return baseline::table();
  }
}

template const Ops<float>& select_ops<float>(const std::string&, const std::string&, Selection*);
template const Ops<double>& select_ops<double>(const std::string&, const std::string&, Selection*);

}  // namespace burgeon
