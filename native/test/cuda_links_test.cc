// Ranks whose devices are linked by NCCL: its stand-in, and devices whose memory is the host's.
#ifndef _WIN32
#include "backend/cuda/cuda_links.h"

#include <algorithm>
#include <cstdlib>

#include "backend/cuda/library/nccl.h"
#include "backend/cuda/loader.h"
#include "core/collectives.h"
#include "core/system.h"
#include "model/row_exchange.h"
#include "test/cuda_fixture.h"
#include "test/model_fixture.h"
#include "test/ranks_fixture.h"

namespace burgeon::test {

namespace {

// One for each rank.
class Devices {
 public:
  Devices() { setenv("BURGEON_CUDA_HOST_DEVICES", "4", 1); }
  ~Devices() { unsetenv("BURGEON_CUDA_HOST_DEVICES"); }
};

const cuda::Api& api() { return cuda::load_library(BURGEON_CUDA_HOST_LIBRARY); }

std::shared_ptr<Device> open(int index, const std::string& nccl = BURGEON_NCCL_HOST_LIBRARY) {
  return cuda::open_device(api(), index, "off", "", nccl);
}

ModelOptions on_device(int index, const std::string& nccl) {
  ModelOptions options{{"cuda", "", Precision::kFloat32, BURGEON_CUDA_HOST_LIBRARY, index, "off"}};
  options.nccl = nccl;
  return options;
}

// That all ranks have sent over links so far.
int64_t sent_bytes() {
  std::string why;
  void* const library = system::open_library(BURGEON_NCCL_HOST_LIBRARY, &why);
  const auto sent = reinterpret_cast<int64_t (*)()>(system::find_symbol(library, "burgeon_nccl_host_sent_bytes"));
  return sent();
}

void add(float* to, const float* from, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] += from[i];
}

// With the patience of another.
class Impatient final : public Communicator {
 public:
  Impatient(Communicator& ranks, double seconds) : Communicator(ranks.rank(), ranks.size(), seconds), ranks_(ranks) {}
  void exchange(const std::vector<Message>& messages, const char* what) override { ranks_.exchange(messages, what); }
  bool has_lost(double seconds) override { return ranks_.has_lost(seconds); }
  [[noreturn]] void fail(int peer, const char* what) override {
    ranks_.fail(peer, what);
    throw Error(ErrorCode::kRanks, what);  // which no compiler needs but GCC, for virtual functions
  }
  void give_up(const std::string& why) noexcept override { ranks_.give_up(why); }
  void close() noexcept override { ranks_.close(); }

 private:
  Communicator& ranks_;
};

}  // namespace

TEST(cuda_links_sum_to_the_bits_of_sums_through_hosts) {
  const Devices devices;
  constexpr int64_t kCount = 300;
  const std::vector<std::vector<ElementRun>> all_runs = {{{0, kCount}}, {{3, 1}, {7, 150}, {200, 33}, {240, 2}}, {}};
  for (const auto& [leaves, size] : {std::pair(2, 2), {4, 4}, {3, 3}, {6, 2}}) {
    const SumTree tree(leaves, size);
    for (const int64_t at_a_time : {int64_t{7}, int64_t{64}, int64_t{1} << 24}) {
      for (const std::vector<ElementRun>& runs : all_runs) {
        const Note note(std::to_string(size) + " ranks, " + std::to_string(at_a_time));
        const OwnedElements owned = divide_evenly(runs, size);
        std::vector<Floats> linked(static_cast<size_t>(size));
        std::vector<Floats> through_hosts(static_cast<size_t>(size));
        const int64_t before = sent_bytes();
        all_empty(run_ranks(size, [&](Communicator& ranks) {
          Random random(static_cast<uint64_t>(ranks.rank()) + 5);
          const auto device = open(ranks.rank());
          RowExchange<float> exchange(*device, at_a_time);
          const int count = tree.parts(ranks.rank());
          std::vector<Arena> arenas;
          std::vector<Floats> initial;
          std::vector<float*> parts;
          for (int i = 0; i < count; ++i) {
            arenas.emplace_back(*device, kCount * sizeof(float), "data");
            initial.push_back(random.normals(kCount));
            parts.push_back(reinterpret_cast<float*>(arenas.back().data()));
          }
          const auto sum = [&](Floats& result) {
            for (size_t i = 0; i < parts.size(); ++i) {
              device->write(parts[i], initial[i].data(), kCount * sizeof(float));
            }
            exchange.sum(ranks, tree, parts, owned, true, add, "a sum");
            result.resize(kCount);
            device->read(result.data(), parts.back(), kCount * sizeof(float));
          };
          const size_t rank = static_cast<size_t>(ranks.rank());
          CHECK(exchange.links().empty());
          sum(through_hosts[rank]);
          CHECK(sent_bytes() == before && exchange.bytes() == 0);
          exchange.link(ranks);
          sum(linked[rank]);
        }));
        CHECK(linked == through_hosts);
        // Every rank sends its parts of what others own, and the sums of what it owns to all others.
        const int64_t summed = count_of(runs);
        CHECK(sent_bytes() - before == ((size - 1) + tree.parts() - tree.parts() / size) * summed * 4);
      }
    }
  }
}

TEST(cuda_links_are_not_there_where_ranks_cannot_have_them) {
  const Devices devices;
  const std::vector<std::vector<std::pair<int, std::string>>> cases = {
      {{0, BURGEON_NCCL_HOST_LIBRARY}, {0, BURGEON_NCCL_HOST_LIBRARY}},  // one device for two
      {{0, BURGEON_NCCL_HOST_LIBRARY}, {1, "off"}},
      {{0, "off"}, {1, BURGEON_NCCL_HOST_LIBRARY}},
      {{0, ""}, {1, ""}}};  // what is found by itself is not for the host
  for (const auto& of_ranks : cases) {
    all_empty(run_ranks(2, [&](Communicator& ranks) {
      const auto& [index, nccl] = of_ranks[static_cast<size_t>(ranks.rank())];
      CHECK(!link_devices(*open(index, nccl), ranks));
    }));
  }
  // A rank on the processor beside one on a device.
  all_empty(run_ranks(2, [&](Communicator& ranks) {
    const auto device = open(0);
    CHECK(!link_devices(ranks.rank() == 0 ? *device : host_device(), ranks));
  }));
}

TEST(cuda_links_say_which_library_cannot_be_used) {
  const auto device = open(0, "/nowhere/libnccl.so.2");
  CHECK_ERROR(ErrorCode::kCuda,
              "NCCL was not found (/nowhere/libnccl.so.2). BURGEON_NCCL_LIBRARY=off for every rank goes through the "
              "hosts instead",
              device->link_address());
  const auto other = open(0, BURGEON_CUBLASLT_HOST_LIBRARY);
  CHECK_ERROR(ErrorCode::kCuda,
              "NCCL cannot be used: " BURGEON_CUBLASLT_HOST_LIBRARY
              ": it has no ncclGetVersion. BURGEON_NCCL_LIBRARY=off for every rank goes through the hosts instead",
              other->link_address());
}

TEST(cuda_links_of_one_rank_carry_what_they_should) {
  CHECK(cuda::check_link(api(), 0, BURGEON_NCCL_HOST_LIBRARY, 100001) == 0);
}

TEST(cuda_links_end_where_a_rank_is_lost) {
  const Devices devices;
  for (const int lost : {0, 1, 3}) {
    const auto messages = run_ranks(4, [&](Communicator& ranks) {
      const auto device = open(ranks.rank());
      Arena arena(*device, 4000, "data");
      RowExchange<float> exchange(*device);
      exchange.link(ranks);
      const auto sum = [&] {
        exchange.sum(ranks, SumTree(4, 4), {reinterpret_cast<float*>(arena.data())}, divide_evenly({{0, 1000}}, 4),
                     true, add, "the sum");
      };
      sum();
      if (ranks.rank() == lost) return ranks.give_up("its disk is full");
      sum();
    });
    for (int rank = 0; rank < 4; ++rank) {
      if (rank == lost) continue;
      check_says(messages[static_cast<size_t>(rank)], "rank " + std::to_string(lost) + " (");
      check_says(messages[static_cast<size_t>(rank)],
                 "): its disk is full; rank " + std::to_string(rank) + " was waiting for rank ");
      check_says(messages[static_cast<size_t>(rank)], " in the sum. The run can be resumed");
    }
  }
}

TEST(cuda_links_end_where_nothing_goes_on) {
  const Devices devices;
  setenv("BURGEON_NCCL_HOST_STALLS", "1", 1);
  const auto messages = run_ranks(2, [&](Communicator& ranks) {
    const auto device = open(ranks.rank());
    Arena arena(*device, 2000, "data");
    const auto links = device->link(ranks);
    const auto exchange = [&](Communicator& with) {
      links->exchange(with, {{1 - ranks.rank(), arena.data(), 1000, arena.data() + 1000, 1000}}, "the sum");
      links->finish(with, "the sum");
    };
    exchange(ranks);
    Impatient impatient(ranks, 0.1);
    try {
      exchange(ranks.rank() == 0 ? impatient : ranks);
    } catch (const Error& error) {
      CHECK(error.code() == (ranks.rank() == 0 ? ErrorCode::kCuda : ErrorCode::kRanks));
      if (ranks.rank() == 0) ranks.give_up(error.what());
      throw;
    }
  });
  unsetenv("BURGEON_NCCL_HOST_STALLS");
  const std::string what = "the sum: rank 0 waited 0 s for NCCL and rank 1, which is there (BURGEON_RANK_WAIT)";
  check_says(messages[0], what);
  check_says(messages[1], "): " + what);
  check_says(messages[1], "; rank 1 was waiting for rank 0 in the sum. The run can be resumed");
}

// The same micro-batches dealt to 1, 2, 3 and 4 devices, linked or not, with moments on each or divided.
TEST(cuda_model_is_the_same_on_any_number_of_devices) {
  const Devices devices;
  const ModelConfig config = small_llama();
  const auto train = [&](int micro_batches, int size, bool divides, Communicator* ranks, const std::string& nccl) {
    const int rank = ranks ? ranks->rank() : 0;
    ModelOptions options = on_device(rank, nccl);
    if (divides) options.shards = RowShards(rank, size);
    const auto model = make_model(config, options, rank > 0 ? 9 : 1);
    if (ranks) model->broadcast_state(*ranks);
    CHECK(model->links() == (ranks && nccl != "off" ? "NCCL 2.29.0" : ""));
    const int each = micro_batches / size;
    for (int64_t step = 1; step <= 2; ++step) {
      for (int i = 0; i < each; ++i) {
        const int number = rank * each + i;
        TestBatch batch = make_batch(config, 1, 4, static_cast<uint64_t>(10 * step + number));
        if (step == 1) {
          batch.subnetwork = small_subnetwork();
          if (number % 2 == 1) batch.subnetwork->layers = {1, 2};
        }
        model->accumulate(batch.view(), 1.0 / micro_batches);
        const Fold fold = folds_of(micro_batches, rank, size)[static_cast<size_t>(i)];
        model->fold_gradients(fold.merges, fold.keeps);
      }
      if (ranks) model->exchange_gradients(*ranks, micro_batches);
      model->optimizer_step(optimizer_step(step, step == 1));
      if (divides) model->gather_weights(*ranks);
    }
    return read_all(*model, Role::kWeight);
  };
  const std::string linked = BURGEON_NCCL_HOST_LIBRARY;
  struct Case {
    int micro_batches;
    int size;
    bool divides;
    std::string nccl;
  };
  for (const Case& each : {Case{4, 2, false, "off"},
                           {4, 2, false, linked},
                           {4, 4, false, linked},
                           {4, 4, true, linked},
                           {6, 3, true, "off"},
                           {6, 3, false, linked},
                           {6, 2, true, linked}}) {
    const std::vector<Doubles> expected = train(each.micro_batches, 1, false, nullptr, "off");
    const int64_t before = sent_bytes();
    std::vector<std::vector<Doubles>> of_ranks(static_cast<size_t>(each.size));
    all_empty(run_ranks(each.size, [&](Communicator& ranks) {
      of_ranks[static_cast<size_t>(ranks.rank())] =
          train(each.micro_batches, each.size, each.divides, &ranks, each.nccl);
    }));
    CHECK((sent_bytes() > before) == (each.nccl != "off"));
    for (const std::vector<Doubles>& of_rank : of_ranks) CHECK(of_rank == expected);
  }
}

}  // namespace burgeon::test

#endif
