// Libraries that are not the one the addon wants: of a version that it does not speak, or, with BURGEON_OTHER_PACKAGE,
// of another version of the package.
#include "backend/cuda/api.h"

extern "C" __attribute__((visibility("default"))) const burgeon::cuda::Api* burgeon_cuda_get_api(int version) {
#ifdef BURGEON_OTHER_PACKAGE
  using namespace burgeon::cuda;
  static const Api api = [] {
    Api made{};
    made.version = kApiVersion;
    made.layout = kApiLayout;
    made.package = "0.0.1";
    return made;
  }();
  return version == kApiVersion ? &api : nullptr;
#else
  static_cast<void>(version);
  return nullptr;
#endif
}
