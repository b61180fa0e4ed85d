// Ranks, each a thread of this process: what they sum, and what they say when one of them is lost.
#ifndef _WIN32
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <functional>
#include <thread>

#include "core/collectives.h"
#include "core/sum_tree.h"
#include "core/tcp_communicator.h"
#include "model/row_exchange.h"
#include "test/model_fixture.h"
#include "test/ranks_fixture.h"

namespace burgeon::test {

namespace {

float value_of(int rank, int64_t i) { return 1.0f / static_cast<float>(3 * rank + 1) + static_cast<float>(i) * 1e-3f; }

// Of [first, first + width) as far as there are so many.
float tree_sum(int first, int width, int count, int64_t i) {
  if (width == 1) return value_of(first, i);
  const float lower = tree_sum(first, width / 2, count, i);
  return first + width / 2 < count ? lower + tree_sum(first + width / 2, width / 2, count, i) : lower;
}

std::string text_of(const SumTree& tree, std::vector<std::string> parts) {
  for (const SumTree::Addition& each : tree.additions()) {
    std::string& to = parts[static_cast<size_t>(each.to)];
    to = "(" + to + "+" + parts[static_cast<size_t>(each.from)] + ")";
  }
  return parts[0];
}

void add(float* to, const float* from, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] += from[i];
}

}  // namespace

TEST(sums_have_one_tree_for_any_number_of_ranks) {
  for (int64_t leaves = 1; leaves <= 60; ++leaves) {
    std::string expected;
    for (int size = 1; size <= leaves; ++size) {
      if (leaves % size != 0) continue;
      const SumTree tree(leaves, size);
      std::vector<std::string> parts;
      for (int rank = 0; rank < size; ++rank) {
        CHECK(tree.first(rank) == static_cast<int>(parts.size()));
        int64_t number = rank * (leaves / size);
        for (const Fold& fold : folds_of(leaves, rank, size)) {
          std::string sum = std::to_string(number++);
          for (int64_t i = 0; i < fold.merges; ++i) {
            sum = "(" + parts.back() + "+" + sum + ")";
            parts.pop_back();
          }
          parts.push_back(sum);
        }
        CHECK(tree.first(rank + 1) == static_cast<int>(parts.size()));
        CHECK(tree.parts(rank) <= tree.most_parts());
      }
      const std::string text = text_of(tree, parts);
      if (size == 1) expected = text;
      const Note note(text);
      CHECK(text == expected);
    }
  }
  CHECK(text_of(SumTree(6, 6), {"0", "1", "2", "3", "4", "5"}) == "(((0+1)+(2+3))+(4+5))");
  CHECK(SumTree(24, 6).parts() == 6);
  CHECK(SumTree(6, 2).parts() == 4);
}

TEST(ranks_sum_in_the_order_of_a_tree) {
  for (const int size : {2, 3, 4, 5, 8}) {
    for (const int64_t count : {0, 1, 7, 1000}) {
      const Note note(std::to_string(size) + " ranks, " + std::to_string(count));
      std::vector<Floats> sums(static_cast<size_t>(size));
      all_empty(run_ranks(size, [&](Communicator& ranks) {
        Floats& data = sums[static_cast<size_t>(ranks.rank())];
        for (int64_t i = 0; i < count; ++i) data.push_back(value_of(ranks.rank(), i));
        std::vector<float> scratch;
        sum_over(ranks, data.data(), count, &scratch, "a sum");
      }));
      Floats expected;
      for (int64_t i = 0; i < count; ++i) expected.push_back(tree_sum(0, 8, size, i));
      for (const Floats& sum : sums) CHECK(sum == expected);
    }
  }
}

TEST(ranks_unite_and_broadcast) {
  for (const int size : {3, 4}) {
    all_empty(run_ranks(size, [&](Communicator& ranks) {
      std::vector<uint8_t> flags(9);
      flags[static_cast<size_t>(2 * ranks.rank())] = 1;
      std::vector<uint8_t> scratch;
      unite(ranks, flags.data(), 9, &scratch, "flags");
      for (int i = 0; i < 9; ++i) CHECK(flags[static_cast<size_t>(i)] == (i % 2 == 0 && i < 2 * size ? 1 : 0));
      std::vector<int> data(100000, ranks.rank() == 0 ? 7 : 0);
      broadcast(ranks, data.data(), data.size() * sizeof(int), "data");
      CHECK(data == std::vector<int>(100000, 7));
    }));
  }
}

TEST(shares_may_be_of_any_size) {
  for (const int size : {2, 3, 4, 7}) {
    all_empty(run_ranks(size, [&](Communicator& ranks) {
      Shares shares{0};
      for (int rank = 0; rank < size; ++rank) shares.push_back(shares.back() + (rank % 3 == 1 ? 0 : 100 * rank + 7));
      std::vector<float> data(static_cast<size_t>(shares.back()), -1);
      for (int64_t i = shares[static_cast<size_t>(ranks.rank())]; i < shares[static_cast<size_t>(ranks.rank() + 1)];
           ++i)
        data[static_cast<size_t>(i)] = static_cast<float>(i);
      all_gather(ranks, data.data(), shares, "shares");
      for (size_t i = 0; i < data.size(); ++i) CHECK(data[i] == static_cast<float>(i));
    }));
  }
}

// Whatever each has of the sum, whoever owns what, and however much of it goes at a time.
TEST(ranks_sum_rows_in_the_order_of_a_tree) {
  constexpr int64_t kCount = 300;
  const std::vector<ElementRun> runs = {{3, 1}, {7, 150}, {200, 33}, {240, 2}};
  for (const auto& [leaves, size] : {std::pair(2, 2), {3, 3}, {6, 2}, {6, 3}, {10, 2}, {12, 4}, {5, 5}, {15, 3}}) {
    for (const int64_t at_a_time : {int64_t{7}, int64_t{100}, int64_t{1} << 24}) {
      for (const bool gives_to_all : {true, false}) {
        const Note note(std::to_string(leaves) + " over " + std::to_string(size) + ", " + std::to_string(at_a_time));
        const SumTree tree(leaves, size);
        OwnedElements owned = divide_evenly(runs, size);
        if (!gives_to_all) {
          owned.back().insert(owned.back().end(), owned[0].begin(), owned[0].end());
          owned[0].clear();
        }
        Floats expected(kCount, -1);
        for (const ElementRun& run : runs) {
          for (int64_t i = run.first; i < run.first + run.count; ++i) {
            expected[static_cast<size_t>(i)] = tree_sum(0, 16, leaves, i);
          }
        }
        all_empty(run_ranks(size, [&, leaf_count = leaves, n = size](Communicator& ranks) {
          std::vector<Floats> kept;
          int number = ranks.rank() * (leaf_count / n);
          for (const Fold& fold : folds_of(leaf_count, ranks.rank(), n)) {
            Floats sum(kCount, -1);
            for (const ElementRun& run : runs) {
              for (int64_t i = run.first; i < run.first + run.count; ++i) {
                sum[static_cast<size_t>(i)] = value_of(number, i);
              }
            }
            ++number;
            for (int64_t merge = 0; merge < fold.merges; ++merge) {
              for (const ElementRun& run : runs) add(&sum[run.first], &kept.back()[run.first], run.count);
              kept.pop_back();
            }
            kept.push_back(std::move(sum));
          }
          std::vector<float*> parts;
          for (Floats& each : kept) parts.push_back(each.data());
          RowExchange<float> exchange(host_device(), at_a_time);
          exchange.sum(ranks, tree, parts, owned, gives_to_all, add, "a sum");
          Floats& sums = kept.back();
          if (!gives_to_all) {
            for (int other = 0; other < n; ++other) {
              if (other == ranks.rank()) continue;
              for (const ElementRun& run : owned[static_cast<size_t>(other)]) {
                for (int64_t i = run.first; i < run.first + run.count; ++i) CHECK(sums[static_cast<size_t>(i)] == 0);
              }
            }
            exchange.gather(ranks, sums.data(), owned, "the sums");
          }
          CHECK(sums == expected);
        }));
      }
    }
  }
}

TEST(rows_have_one_owner_each) {
  const auto tensor = [](int kind, int64_t rows, int64_t cols) {
    return Tensor{kind, "", 0, rows, cols, Sampled::kByLayer, true, 0, 0, 0};
  };
  for (const Tensor& each : {tensor(0, 1, 1), tensor(1, 1000, 1), tensor(2, 65, 32), tensor(3, 3072, 768)}) {
    for (const int size : {1, 2, 3, 4, 7, 64, 100}) {
      std::vector<int64_t> own(static_cast<size_t>(size));
      for (int rank = 0; rank < size; ++rank) {
        const RowShards shards(rank, size);
        int64_t next = 0;  // own rows lie one after another
        for (int64_t row = 0; row < each.rows; ++row) {
          if (shards.owns(each, row)) CHECK(shards.place(each, row) == next++);
        }
        CHECK(next == shards.own_rows(each));
        own[static_cast<size_t>(rank)] = next;
      }
      int64_t all = 0;
      for (const int64_t rows : own) all += rows;
      CHECK(all == each.rows);
      const auto [least, most] = std::minmax_element(own.begin(), own.end());
      CHECK(*most - *least <= RowShards::block_rows(each));
    }
  }
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

std::vector<Doubles> gather_all(Model& model, Communicator& ranks, Role role) {
  std::vector<Doubles> all;
  for (size_t i = 0; i < model.tensors().size(); ++i) {
    std::vector<float> values(static_cast<size_t>(model.tensors()[i].size()));
    model.gather_rows(ranks, role, i, 0, model.tensors()[i].rows, values.data());
    all.emplace_back(values.begin(), values.end());
  }
  return all;
}

// The same micro-batches dealt to any number of ranks, with moments on each or divided: one tree, one result.
TEST(model_gradients_are_the_same_for_any_number_of_ranks) {
  for (const ModelConfig& config : {small_config(), small_llama()}) {
    for (const bool freeze : {false, true}) {
      std::vector<std::vector<Doubles>> weights;
      constexpr int kMicroBatches = 6;
      for (const auto& [size, divides] :
           {std::pair(1, false), {2, false}, {3, false}, {6, false}, {2, true}, {3, true}, {6, true}}) {
        const int each = kMicroBatches / size;
        std::vector<std::vector<Doubles>> of_ranks(static_cast<size_t>(size));
        const auto train = [&, size = size, divides = divides](int rank, Communicator* ranks) {
          ModelOptions options = on_cpu("");
          if (divides) options.shards = RowShards(rank, size);
          const auto model = make_model(config, options, ranks && rank > 0 ? 9 : 1);
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
              model->accumulate(batch.view(), 1.0 / kMicroBatches);
              const Fold fold = folds_of(kMicroBatches, rank, size)[static_cast<size_t>(i)];
              model->fold_gradients(fold.merges, fold.keeps);
            }
            if (ranks) model->exchange_gradients(*ranks, kMicroBatches);
            model->optimizer_step(optimizer_step(step, freeze));
            if (divides) model->gather_weights(*ranks);
          }
          std::vector<Doubles> all = read_all(*model, Role::kWeight);
          const Role role = Role::kState1;
          for (Doubles& moments : divides ? gather_all(*model, *ranks, role) : read_all(*model, role)) {
            all.push_back(std::move(moments));
          }
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

TEST(model_exchange_wants_the_sums_of_its_share) {
  all_empty(run_ranks(2, [](Communicator& ranks) {
    const ModelConfig config = small_config();
    const auto model = make_model(config, on_cpu(""));
    const TestBatch batch = make_batch(config, 1, 4, 1);
    model->accumulate(batch.view(), 1);
    CHECK_ERROR(ErrorCode::kShape, "microBatches: expected a multiple of the 2 ranks, received 3",
                model->exchange_gradients(ranks, 3));
    const std::string found = " of 2 after its share of 6 micro-batches, found 0; fold as foldsOf() says";
    CHECK_ERROR(ErrorCode::kShape, "sums kept aside: expected 1 of rank " + std::to_string(ranks.rank()) + found,
                model->exchange_gradients(ranks, 6));
    // Gradients were cleared; all goes on.
    model->accumulate(batch.view(), 0.5);
    model->exchange_gradients(ranks, 2);
    CHECK(std::isfinite(model->optimizer_step(optimizer_step(1, false)).gradient_norm));
  }));
}

}  // namespace burgeon::test

#endif
