#include "kernels/cuda/host/fiber.h"

#include <cstdint>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

namespace burgeon::cuda::host {

namespace {

// Kernels keep little on the stack; the sanitizers' margins around it are larger than it is.
constexpr size_t kStackBytes = 256 * 1024;

#ifdef BURGEON_FIBER_JUMPS
// A function of its own, because GCC takes it that a jump never leads back into the function it is in; called through a
// pointer, because AddressSanitizer forgets the bounds of all variables on the stack before a call that does not
// return.
__attribute__((noinline, no_sanitize("address", "thread", "undefined"))) void jump(void** to) {
  __builtin_longjmp(to, 1);
}
void (*volatile const switch_to)(void**) = jump;
#endif

}  // namespace

Fiber::Fiber() : stack_(new char[kStackBytes]) {
#ifdef __SANITIZE_THREAD__
  inside_thread_ = __tsan_create_fiber(0);
#endif
}

Fiber::~Fiber() {
#ifdef __SANITIZE_THREAD__
  __tsan_destroy_fiber(inside_thread_);
#endif
}

void Fiber::start(const std::function<void()>& body) {
  body_ = &body;
  const bool idle = started_ && ended_;
  ended_ = false;
  if (idle) return;
#ifdef __SANITIZE_ADDRESS__
  ASAN_UNPOISON_MEMORY_REGION(stack_.get(), kStackBytes);  // a body that was dropped never left its frames
#endif
  started_ = false;
  inside_frames_ = nullptr;
  getcontext(&inside_);
  inside_.uc_stack.ss_sp = stack_.get();
  inside_.uc_stack.ss_size = kStackBytes;
  inside_.uc_link = nullptr;
  const auto self = reinterpret_cast<uintptr_t>(this);
  makecontext(&inside_, reinterpret_cast<void (*)()>(&Fiber::enter), 2, static_cast<unsigned>(self),
              static_cast<unsigned>(static_cast<uint64_t>(self) >> 32));
}

void Fiber::enter(unsigned low, unsigned high) {
  auto* self = reinterpret_cast<Fiber*>(static_cast<uintptr_t>(static_cast<uint64_t>(high) << 32 | low));
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(nullptr, &self->outside_stack_, &self->outside_stack_bytes_);
#endif
  for (;;) {
    (*self->body_)();
    self->ended_ = true;
    self->leave();
  }
}

__attribute__((noinline)) void Fiber::resume() {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(&outside_frames_, stack_.get(), kStackBytes);
#endif
#ifdef __SANITIZE_THREAD__
  outside_thread_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(inside_thread_, 0);
#endif
#ifdef BURGEON_FIBER_JUMPS
  if (__builtin_setjmp(outside_jump_) == 0) {
    if (started_) switch_to(inside_jump_);
    started_ = true;
    setcontext(&inside_);
  }
#else
  started_ = true;
  swapcontext(&outside_, &inside_);
#endif
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(outside_frames_, nullptr, nullptr);
#endif
}

__attribute__((noinline)) void Fiber::leave() {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(&inside_frames_, outside_stack_, outside_stack_bytes_);
#endif
#ifdef __SANITIZE_THREAD__
  __tsan_switch_to_fiber(outside_thread_, 0);
#endif
#ifdef BURGEON_FIBER_JUMPS
  if (__builtin_setjmp(inside_jump_) == 0) switch_to(outside_jump_);
#else
  swapcontext(&inside_, &outside_);
#endif
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(inside_frames_, &outside_stack_, &outside_stack_bytes_);
#endif
}

}  // namespace burgeon::cuda::host
