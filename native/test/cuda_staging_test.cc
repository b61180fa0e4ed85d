// Copies to a device that are done after the call returned: on the host not before something waits for them.
#include <cstring>

#include "backend/cuda/staging.h"
#include "kernels/cuda/device.cuh"
#include "test/cuda_fixture.h"

namespace burgeon::test {

TEST(cuda_staging_keeps_what_the_device_has_not_copied_yet) {
  Random random(17);
  for (const size_t half : {size_t{16}, size_t{100}, size_t{4096}}) {
    CUstream_st stream{0};
    cuda::Staging staging(half);
    std::vector<char> device(3000);
    std::vector<char> expected(device.size());
    for (int i = 0; i < 40; ++i) {
      const size_t at = static_cast<size_t>(random.between(0, 2999));
      const size_t bytes = static_cast<size_t>(random.between(0, static_cast<int64_t>(device.size() - at)));
      std::vector<char> source(bytes);
      for (char& each : source) each = static_cast<char>(random.between(-128, 127));
      staging.write(&stream, device.data() + at, source.data(), bytes);
      if (bytes > 0) std::memcpy(expected.data() + at, source.data(), bytes);
      std::fill(source.begin(), source.end(), 0);
      if (i == 30) {
        cuda::read(&stream, source.data(), device.data() + at, bytes);
        CHECK(bytes == 0 || std::memcmp(source.data(), expected.data() + at, bytes) == 0);
      }
    }
    staging.close(&stream);  // waits for the last ones
    CHECK(device == expected);
    staging.close(&stream);
  }
}

}  // namespace burgeon::test
