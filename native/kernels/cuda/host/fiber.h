// Threads that take turns on one: each has a stack of its own and runs until it yields. The sanitizers are told of
// every switch, so that they follow.
#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include <cstddef>
#include <functional>
#include <memory>

// swapcontext saves the signal mask, a system call per switch; GCC's own jump does not.
#if defined(__GNUC__) && !defined(__clang__)
#define BURGEON_FIBER_JUMPS 1
#endif

namespace burgeon::cuda::host {

class Fiber {
 public:
  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Gets ready to run `body`, which must not throw, from its beginning; one that has not ended is dropped.
  void start(const std::function<void()>& body);
  // Runs it until it yields or ends. Called from outside of all fibers.
  void resume();
  // Returns to the caller of resume. Called from inside.
  void yield() { leave(); }
  bool ended() const { return ended_; }

 private:
  static void enter(unsigned low, unsigned high);
  void leave();

  const std::function<void()>* body_ = nullptr;
  std::unique_ptr<char[]> stack_;
  bool started_ = false;
  bool ended_ = true;
  ucontext_t inside_;
  ucontext_t outside_;
#ifdef BURGEON_FIBER_JUMPS
  void* inside_jump_[5];
  void* outside_jump_[5];
#endif
  // What the sanitizers keep about the stacks.
  void* inside_frames_ = nullptr;
  void* outside_frames_ = nullptr;
  const void* outside_stack_ = nullptr;
  size_t outside_stack_bytes_ = 0;
  void* inside_thread_ = nullptr;
  void* outside_thread_ = nullptr;
};

}  // namespace burgeon::cuda::host
