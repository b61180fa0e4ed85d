// The thread pool under every schedule that is easy to provoke, and the arena. Under ThreadSanitizer the plain counters
// here are the test: the pool must order them.
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "core/arena.h"
#include "core/op_context.h"
#include "core/thread_pool.h"
#include "test/check.h"

namespace burgeon::test {

namespace {

// Counts how often each task ran and on how many distinct threads at most; all plain, as ops do.
struct Tally {
  explicit Tally(int64_t count, int threads) : runs(count), on_thread(threads) {}
  std::vector<int> runs;
  std::vector<int64_t> on_thread;

  static void task(void* argument, int64_t i, int thread) {
    Tally& tally = *static_cast<Tally*>(argument);
    ++tally.runs[i];
    ++tally.on_thread[thread];
  }

  bool once_each() const {
    int64_t total = 0;
    for (const int64_t count : on_thread) total += count;
    for (const int count : runs) {
      if (count != 1) return false;
    }
    return total == static_cast<int64_t>(runs.size());
  }
};

void nap() { std::this_thread::sleep_for(std::chrono::milliseconds(2)); }  // far beyond the time workers spin

}  // namespace

TEST(thread_pool_runs_every_task_once) {
  for (const int threads : {1, 2, 3, 4, 9}) {
    ThreadPool pool(threads);
    CHECK(pool.size() == threads);
    for (const int64_t count : {0, 1, 2, 3, 4, 7, 8, 63, 64, 1000, 20000}) {
      const Note note(std::to_string(threads) + " threads, " + std::to_string(count) + " tasks");
      Tally tally(count, threads);
      pool.run(count, Tally::task, &tally);
      CHECK(tally.once_each());
      for (const int64_t lead : {int64_t{0}, count / 3, count}) {
        Tally both(count, threads);
        pool.run(lead, count - lead, Tally::task, &both);
        CHECK(both.once_each());
      }
    }
  }
}

TEST(thread_pool_runs_many_tiny_loops) {
  ThreadPool pool(3);
  for (int loop = 0; loop < 5000; ++loop) {
    Tally tally(1 + loop % 5, 3);
    const int64_t lead = loop % (2 + loop % 5);
    run_on_pool(&pool, lead, 1 + loop % 5 - lead, Tally::task, &tally);
    CHECK(tally.once_each());
  }
}

TEST(thread_pool_wakes_after_sleeping) {
  ThreadPool pool(3);
  for (int loop = 0; loop < 20; ++loop) {
    nap();
    Tally tally(5, 3);
    pool.run(5, Tally::task, &tally);
    CHECK(tally.once_each());
  }
}

// What a loop wrote is there for the next loop and for the caller, without further ado.
TEST(thread_pool_orders_memory_between_loops) {
  ThreadPool pool(3);
  std::vector<int64_t> values(1000, 0);
  for (int64_t loop = 1; loop <= 200; ++loop) {
    for (auto& value : values) ++value;
    pool.run(
        1000, [](void* argument, int64_t i, int) { ++static_cast<int64_t*>(argument)[(i * 7) % 1000]; }, values.data());
    for (const int64_t value : values) CHECK(value == 2 * loop);
  }
}

TEST(thread_pool_takes_long_tasks) {
  ThreadPool pool(2);
  Tally tally(4, 2);
  struct Slow {
    Tally* tally;
    static void task(void* argument, int64_t i, int thread) {
      if (i == 1) nap();
      Tally::task(static_cast<Slow*>(argument)->tally, i, thread);
    }
  } slow{&tally};
  pool.run(4, Slow::task, &slow);
  CHECK(tally.once_each());
}

#if defined(__x86_64__) || defined(__aarch64__)

TEST(thread_pool_takes_denormals_for_zero) {
  static volatile float denormal = 1e-39f, smallest = 1.2e-38f;
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    std::vector<float> values(300, 1.0f);
    pool.run(
        100,
        [](void* argument, int64_t i, int) {
          float* value = static_cast<float*>(argument) + 3 * i;
          value[0] = denormal * 1e9f;
          value[1] = smallest * 0.5f;
          value[2] = smallest * 1.0f;
        },
        values.data());
    for (size_t i = 0; i < values.size(); ++i) CHECK(values[i] == (i % 3 == 2 ? smallest : 0.0f));
    // Only there.
    CHECK(denormal * 1e9f > 0);
  }
}

#endif

TEST(thread_pools_work_side_by_side) {
  std::atomic<int> wrong{0};
  std::vector<std::thread> users;
  for (int user = 0; user < 3; ++user) {
    users.emplace_back([&wrong, user] {
      ThreadPool pool(2 + user % 2);
      for (int loop = 0; loop < 300; ++loop) {
        Tally tally(1 + (loop * 3 + user) % 40, pool.size());
        pool.run(static_cast<int64_t>(tally.runs.size()), Tally::task, &tally);
        if (!tally.once_each()) ++wrong;
      }
    });
  }
  for (auto& user : users) user.join();
  CHECK(wrong == 0);
}

TEST(thread_pool_ends_whatever_its_workers_do) {
  for (int round = 0; round < 30; ++round) {
    { const ThreadPool unused(3); }
    {
      ThreadPool spinning(3);
      Tally tally(6, 3);
      spinning.run(6, Tally::task, &tally);
    }
    if (round % 10 == 0) {
      const ThreadPool sleeping(3);
      nap();
    }
  }
}

#if defined(__linux__) && !defined(BURGEON_SANITIZED)
// Address space for a few more stacks than there are: some threads start, the next one cannot. Sanitizers need that
// space themselves.
TEST(thread_pool_reports_when_threads_cannot_start) {
  if (std::getenv("BURGEON_EMULATED")) return;  // qemu-user keeps no such limit
  long pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  rlimit before{};
  getrlimit(RLIMIT_AS, &before);
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(pages) * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + (size_t{40} << 20);
  setrlimit(RLIMIT_AS, &tight);
  std::string message;
  try {
    const ThreadPool pool(500);
  } catch (const Error& error) {
    message = error.what();
    CHECK(error.code() == ErrorCode::kBackend);
  }
  setrlimit(RLIMIT_AS, &before);
  CHECK(message.find("threads: expected to start 500, the system allows ") == 0);
  CHECK(message.find("; use fewer threads") != std::string::npos);
}
#endif

TEST(arena_is_zeroed_and_aligned) {
  for (const size_t bytes : {size_t{1}, size_t{64}, size_t{4096}, size_t{5000}, (size_t{4} << 20) + 3}) {
    const Arena arena(host_device(), bytes, "test");
    CHECK(arena.size() == bytes);
    CHECK(reinterpret_cast<uintptr_t>(arena.data()) % 64 == 0);
    bool zero = true;
    for (size_t i = 0; i < bytes; ++i) zero = zero && arena.data()[i] == 0;
    CHECK(zero);
    arena.data()[bytes - 1] = 1;
  }
  const Arena nothing(host_device(), 0, "test");
  CHECK(nothing.data() == nullptr && nothing.size() == 0);
}

TEST(arena_moves) {
  Arena a(host_device(), 100, "test");
  char* data = a.data();
  data[99] = 7;
  Arena b(std::move(a));
  CHECK(a.data() == nullptr && a.size() == 0);  // NOLINT(bugprone-use-after-move): the moved-from state is promised
  CHECK(b.data() == data && b.size() == 100 && b.data()[99] == 7);
  Arena c(host_device(), 50, "test");
  c = std::move(b);
  CHECK(b.data() == nullptr && c.data() == data && c.size() == 100);
  Arena& same = c;
  c = std::move(same);
  CHECK(c.data() == data && c.size() == 100);
  c = Arena();
  CHECK(c.data() == nullptr && c.size() == 0);
}

TEST(arena_refuses_what_no_machine_holds) {
  for (const size_t bytes : {size_t{1} << 60, ~size_t{0}}) {
    try {
      const Arena arena(host_device(), bytes, "activations");
      CHECK(!"nothing was thrown");
    } catch (const Error& error) {
      const std::string message = error.what();
      CHECK(error.code() == ErrorCode::kOutOfMemory);
      CHECK(message.find("activations need ") == 0);
      CHECK(message.find(" EiB, this machine has ") != std::string::npos);
      CHECK(message.find("use a smaller model, batch size or sequence length") != std::string::npos);
    }
  }
}

TEST(sizes_have_the_unit_that_fits) {
  CHECK(binary_size(0) == "0 B");
  CHECK(binary_size(999) == "999 B");
  CHECK(binary_size(1000) == "0.98 KiB");
  CHECK(binary_size(size_t{5} << 20) == "5.00 MiB");
  CHECK(binary_size((size_t{5} << 30) / 2 * 10) == "25.0 GiB");
  CHECK(binary_size(size_t{999} << 30) == "999 GiB");
}

TEST(arena_cursor_measures_what_it_hands_out) {
  const auto plan = [](ArenaCursor& cursor) {
    return std::vector<void*>{cursor.take<float>(3), cursor.take<char>(1), cursor.take<double>(8),
                              cursor.take<int32_t>(0), cursor.take<int32_t>(17)};
  };
  ArenaCursor measuring(nullptr);
  for (const void* piece : plan(measuring)) CHECK(piece == nullptr);
  CHECK(measuring.used() == 64 + 64 + 64 + 0 + 128);

  const Arena arena(host_device(), measuring.used(), "test");
  ArenaCursor handing_out(arena.data());
  const std::vector<void*> pieces = plan(handing_out);
  CHECK(handing_out.used() == measuring.used());
  const size_t offsets[] = {0, 64, 128, 192, 192};
  for (size_t i = 0; i < pieces.size(); ++i) CHECK(pieces[i] == arena.data() + offsets[i]);
}

}  // namespace burgeon::test
