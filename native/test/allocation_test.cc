// A training step allocates nothing once its shape is known: counted in operator new, which this file replaces for the
// whole test program.
#include <atomic>
#include <cstdlib>
#include <new>

#include "test/model_fixture.h"

namespace {
std::atomic<int64_t> allocations{0};

void* counted(std::size_t bytes, std::size_t alignment) {
  ++allocations;
  void* block = nullptr;
  if (posix_memalign(&block, alignment < sizeof(void*) ? sizeof(void*) : alignment, bytes == 0 ? 1 : bytes) != 0) {
    throw std::bad_alloc();
  }
  return block;
}
}  // namespace

void* operator new(std::size_t bytes) { return counted(bytes, alignof(std::max_align_t)); }
void* operator new[](std::size_t bytes) { return counted(bytes, alignof(std::max_align_t)); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return counted(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return counted(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete[](void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
void operator delete[](void* block, std::size_t) noexcept { std::free(block); }
void operator delete(void* block, std::align_val_t) noexcept { std::free(block); }
void operator delete[](void* block, std::align_val_t) noexcept { std::free(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { std::free(block); }
void operator delete[](void* block, std::size_t, std::align_val_t) noexcept { std::free(block); }

namespace burgeon::test {

TEST(model_step_allocates_nothing) {
  const ModelConfig config = small_config();
  const Subnetwork sampled_twice = small_subnetwork();
  const Subnetwork everything;
  const std::vector<SequenceGroup> groups{{1, sampled_twice}, {1, {}}, {1, sampled_twice}};
  for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
    const auto model = make_model(config, {{"cpu", "", precision}, 2});
    TestBatch group = make_batch(config, 3, 10);
    TestBatch small_group = make_batch(config, 2, 7);  // fits as well
    const MicroBatch smaller = small_group.view();
    const int64_t before_first = allocations;
    const auto train = [&](int64_t step) {
      for (const bool sampled : {false, true}) {
        group.subnetwork.reset();
        if (sampled) group.subnetwork = small_subnetwork();
        const MicroBatch batch = group.view();
        const int64_t before = allocations;
        model->forward_backward(batch, 0.5);
        if (step > 1) CHECK(allocations == before);
      }
      MicroBatch grouped = group.view();
      grouped.groups = &groups;
      const int64_t before = allocations;
      model->optimizer_step(optimizer_step(step), &everything);
      model->forward_backward(smaller, 1);
      model->forward_backward(grouped, 1);
      model->optimizer_step(optimizer_step(step + 1, true));
      if (step > 1) CHECK(allocations == before);
    };
    train(1);
    CHECK(allocations > before_first);  // the count counts
    train(3);
  }
}

}  // namespace burgeon::test
