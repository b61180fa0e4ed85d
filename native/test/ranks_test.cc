// Ranks, each a thread of this process: what they sum, and what they say when one of them is lost.
#ifndef _WIN32
#include "core/collectives.h"
#include "core/tcp_communicator.h"
#include "test/model_fixture.h"
#include "test/ranks_fixture.h"

namespace burgeon::test {

namespace {

float value_of(int rank, int64_t i) { return 1.0f / static_cast<float>(3 * rank + 1) + static_cast<float>(i) * 1e-3f; }

float tree_sum(int first, int count, int64_t i) {
  if (count == 1) return value_of(first, i);
  return tree_sum(first, count / 2, i) + tree_sum(first + count / 2, count / 2, i);
}

}  // namespace

TEST(ranks_sum_in_the_order_of_a_tree) {
  for (const int size : {2, 4, 8}) {
    for (const int64_t count : {0, 1, 7, 1000, 100001}) {
      const Note note(std::to_string(size) + " ranks, " + std::to_string(count));
      std::vector<Floats> sums(static_cast<size_t>(size));
      all_empty(run_ranks(size, [&](Communicator& ranks) {
        Floats& data = sums[static_cast<size_t>(ranks.rank())];
        for (int64_t i = 0; i < count; ++i) data.push_back(value_of(ranks.rank(), i));
        std::vector<float> scratch;
        sum_over(ranks, data.data(), count, &scratch, "a sum");
      }));
      Floats expected;
      for (int64_t i = 0; i < count; ++i) expected.push_back(tree_sum(0, size, i));
      for (const Floats& sum : sums) CHECK(sum == expected);
    }
  }
}

TEST(ranks_unite_and_broadcast) {
  all_empty(run_ranks(4, [](Communicator& ranks) {
    std::vector<uint8_t> flags(9);
    flags[static_cast<size_t>(2 * ranks.rank())] = 1;
    std::vector<uint8_t> scratch;
    unite(ranks, flags.data(), 9, &scratch, "flags");
    CHECK(flags == std::vector<uint8_t>({1, 0, 1, 0, 1, 0, 1, 0, 0}));
    std::vector<int> data(100000, ranks.rank() == 0 ? 7 : 0);
    broadcast(ranks, data.data(), data.size() * sizeof(int), "data");
    CHECK(data == std::vector<int>(100000, 7));
  }));
}

TEST(ranks_are_told_who_was_lost) {
  const auto wait_in_a_sum = [](Communicator& ranks) {
    float one = 1;
    std::vector<float> scratch;
    sum_over(ranks, &one, 1, &scratch, "the sum of gradients");
  };
  // One leaves, one gives up. The words come from whoever knows best.
  for (const int lost : {0, 1, 3}) {
    const auto left = run_ranks(4, [&](Communicator& ranks) {
      if (ranks.rank() != lost) wait_in_a_sum(ranks);
    });
    for (int rank = 0; rank < 4; ++rank) {
      if (rank == lost) continue;
      check_says(left[static_cast<size_t>(rank)], "rank " + std::to_string(rank) + " was waiting for rank ");
      check_says(left[static_cast<size_t>(rank)],
                 " in the sum of gradients. The run can be resumed from its newest checkpoint");
    }
    const auto gave_up = run_ranks(4, [&](Communicator& ranks) {
      if (ranks.rank() == lost) return ranks.give_up("its disk is full");
      wait_in_a_sum(ranks);
    });
    for (int rank = 0; rank < 4; ++rank) {
      if (rank != lost) check_says(gave_up[static_cast<size_t>(rank)], ": its disk is full; rank ");
    }
  }
}

TEST(ranks_that_do_not_come_are_named) {
  const int port = free_port();
  std::string message;
  try {
    meet_over_tcp({0, 4, "127.0.0.1", port, 0.2, 15});
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kRanks);
    message = error.what();
  }
  CHECK(message.find("rank 0 (") == 0 && message.find("): expected ranks 1, 2, 3 of 4 to come") != std::string::npos);
  message.clear();
  try {
    meet_over_tcp({2, 4, "127.0.0.1", port, 0.2, 15});
  } catch (const Error& error) {
    message = error.what();
  }
  const Note note(message);
  CHECK(message.find("rank 0 (127.0.0.1:" + std::to_string(port) + "): cannot be reached (") == 0);
}

// The same micro-batches dealt to 1, 2 and 4 ranks: one tree, one result.
TEST(model_gradients_are_the_same_for_any_number_of_ranks) {
  for (const ModelConfig& config : {small_config(), small_llama()}) {
    for (const bool freeze : {false, true}) {
      std::vector<std::vector<Doubles>> weights;
      for (const int size : {1, 2, 4}) {
        const int each = 4 / size;
        std::vector<std::vector<Doubles>> of_ranks(static_cast<size_t>(size));
        const auto train = [&](int rank, Communicator* ranks) {
          const auto model = make_model(config, on_cpu(""), ranks && rank > 0 ? 9 : 1);
          if (ranks) model->broadcast_state(*ranks);
          for (int64_t step = 1; step <= 3; ++step) {
            for (int i = 0; i < each; ++i) {
              const int number = rank * each + i;
              TestBatch batch = make_batch(config, 2, 7, static_cast<uint64_t>(10 * step + number));
              if (step < 3) {
                batch.subnetwork = small_subnetwork();
                if (number % 2 == 1) batch.subnetwork->layers = {1, 2};
                if (number == 3) batch.subnetwork->neurons.clear();
              }
              model->accumulate(batch.view(), 0.25);
              const Fold& fold = kFolds[static_cast<size_t>(each)][static_cast<size_t>(i)];
              model->fold_gradients(fold.merges, fold.keeps);
            }
            if (ranks) model->exchange_gradients(*ranks);
            model->optimizer_step(optimizer_step(step, freeze));
          }
          std::vector<Doubles> all = read_all(*model, Role::kWeight);
          for (Doubles& moments : read_all(*model, Role::kState1)) all.push_back(std::move(moments));
          of_ranks[static_cast<size_t>(rank)] = std::move(all);
        };
        if (size == 1) {
          train(0, nullptr);
        } else {
          all_empty(run_ranks(size, [&](Communicator& ranks) { train(ranks.rank(), &ranks); }));
        }
        for (std::vector<Doubles>& each_rank : of_ranks) weights.push_back(std::move(each_rank));
      }
      for (const auto& other : weights) CHECK(other == weights.front());
    }
  }
}

}  // namespace burgeon::test

#endif
