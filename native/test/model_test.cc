// The whole model on every fast backend: against the reference in double, and against itself (threads, order of calls,
// growing batches, logits in blocks).
#include <algorithm>
#include <cmath>

#include "test/model_fixture.h"

namespace burgeon::test {

namespace {

// Rounding of fp32 through every layer twice, relative to the tensor's norm. Measured: up to 2e-6, and 7e-6 where the
// few elements under a norm happen to be close to each other.
constexpr double kFloatModel = 2e-5;

std::vector<std::string> isas() {
  std::vector<std::string> names;
  for (const Table& table : fast_tables()) names.push_back(table.name);
  return names;
}

// Every layer but the first, the lower half of the heads and every third neuron.
Subnetwork subnetwork_of(const ModelConfig& config) {
  Subnetwork subnetwork;
  subnetwork.has_layers = true;
  for (int64_t layer = config.n_layer > 1 ? 1 : 0; layer < config.n_layer; ++layer) {
    subnetwork.layers.push_back(static_cast<int32_t>(layer));
    subnetwork.heads.emplace_back();
    subnetwork.neurons.emplace_back();
    for (int64_t h = 0; h < (config.n_kv_head + 1) / 2; ++h) subnetwork.heads.back().push_back(static_cast<int32_t>(h));
    for (int64_t j = 0; j < config.n_inner; j += 3) subnetwork.neurons.back().push_back(static_cast<int32_t>(j));
  }
  subnetwork.layer_scale.assign(subnetwork.layers.size(), 1.25);
  subnetwork.head_scale.assign(subnetwork.layers.size(), 2);
  subnetwork.neuron_scale.assign(subnetwork.layers.size(), 3);
  return subnetwork;
}

}  // namespace

TEST(model_matches_the_reference_on_every_instruction_set) {
  // Layers, heads, width, neurons, positions, tokens. A norm of one element divides its rounding by sqrt(epsilon).
  const ModelConfig configs[] = {
      gpt2_config(1, 1, 1, 1, 1, 2, 1e-2),
      gpt2_config(2, 5, 5, 3, 7, 11),
      small_config(),
      gpt2_config(2, 2, 96, 100, 50, 131),
      gpt2_config(1, 3, 51, 200, 97, 1000),
      gpt2_config(4, 4, 64, 256, 33, 257),
      llama_config(1, 1, 1, 2, 1, 1, 1, 2),
      llama_config(2, 6, 2, 16, 72, 100, 50, 131),
      small_llama(),
      small_architectures()[2],
      llama_config(2, 8, 1, 32, 64, 190, 70, 257),
  };
  for (const ModelConfig& config : configs) {
    const int64_t T = config.context_length;
    for (const auto& [batch, sequence] : {std::pair<int64_t, int64_t>{1, 1}, {2, T}, {3, (T + 1) / 2}}) {
      for (const bool sampled : {false, true}) {
        TestBatch group = make_batch(config, batch, sequence);
        if (sampled) group.subnetwork = subnetwork_of(config);
        const auto reference = make_model(config, on_reference());
        const StepResult expected = reference->forward_backward(group.view(), 0.5);
        const std::vector<Doubles> gradients = read_all(*reference, Role::kGradient);
        for (const std::string& isa : isas()) {
          const Note note(isa + ", C " + std::to_string(config.n_embd) + ", B " + std::to_string(batch) + ", T " +
                          std::to_string(sequence) + (sampled ? ", subnetwork" : ", dense"));
          const auto model = make_model(config, on_cpu(isa, 2));
          const StepResult result = model->forward_backward(group.view(), 0.5);
          CHECK_NEAR(result.loss, expected.loss, 2e-6 * (1 + expected.loss));
          CHECK(same(result.forward, expected.forward) && same(result.backward, expected.backward));
          check_tensors(*model, read_all(*model, Role::kGradient), gradients, kFloatModel);
        }
      }
    }
  }
}

// Steps at several thread counts: same loss, gradients, norm and weights, bit for bit.
TEST(model_gives_the_same_bits_on_any_number_of_threads) {
  for (const ModelConfig& config : {gpt2_config(2, 4, 64, 200, 40, 301), llama_config(2, 4, 2, 16, 64, 200, 40, 301)}) {
    TestBatch group = make_batch(config, 3, 40);
    group.subnetwork = subnetwork_of(config);
    TestBatch dense = make_batch(config, 2, 33, 9);
    for (const std::string& isa : isas()) {
      for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
        std::vector<Doubles> weights;
        double norms[2] = {};
        for (const int threads : {1, 2, 3, 8}) {
          const Note note(isa + (precision == Precision::kBfloat16 ? " bf16, " : ", ") + std::to_string(threads) +
                          " threads");
          const auto model = make_model(config, {{"cpu", isa, precision}, threads});
          CHECK(model->threads() == threads);
          for (int64_t step = 1; step <= 2; ++step) {
            model->forward_backward(group.view(), 0.6);
            model->forward_backward(dense.view(), 0.4);
            const double gradient_norm = model->optimizer_step(optimizer_step(step, step == 2)).gradient_norm;
            if (threads == 1) norms[step - 1] = gradient_norm;
            CHECK(gradient_norm == norms[step - 1]);
          }
          if (threads == 1) weights = read_all(*model, Role::kWeight);
          CHECK(read_all(*model, Role::kWeight) == weights);
        }
      }
    }
  }
}

TEST(model_with_full_lists_is_the_dense_model) {
  const ModelConfig config = small_config();
  TestBatch dense = make_batch(config, 2, 6);
  TestBatch listed = dense;
  listed.subnetwork.emplace();
  listed.subnetwork->has_layers = true;
  for (int32_t layer = 0; layer < config.n_layer; ++layer) {
    listed.subnetwork->layers.push_back(layer);
    listed.subnetwork->heads.push_back({0, 1, 2});
    listed.subnetwork->neurons.emplace_back();
    for (int32_t j = 0; j < config.n_inner; ++j) listed.subnetwork->neurons.back().push_back(j);
  }
  for (const std::string& isa : isas()) {
    const auto a = make_model(config, on_cpu(isa));
    const auto b = make_model(config, on_cpu(isa));
    CHECK(a->forward_backward(dense.view(), 1).loss == b->forward_backward(listed.view(), 1).loss);
    CHECK(read_all(*a, Role::kGradient) == read_all(*b, Role::kGradient));
  }
}

// Inactive weights are not read and inactive gradients not written, anywhere in the model.
TEST(model_never_touches_what_is_inactive) {
  const ModelConfig config = small_config();
  TestBatch group = make_batch(config, 2, 6);
  group.subnetwork = small_subnetwork();
  std::vector<ModelOptions> engines{{{"reference-compact", "", Precision::kFloat64}},
                                    {{"cuda", "", Precision::kFloat32, BURGEON_CUDA_HOST_LIBRARY}}};
  for (const std::string& isa : isas()) engines.push_back(on_cpu(isa));
  for (const ModelOptions& options : engines) {
    const Note note(options.backend + " " + options.max_isa);
    const auto clean = make_model(config, options);
    const auto spoilt = make_model(config, options);
    SubnetworkPlan plan(config);
    plan.assign(*group.subnetwork);
    TouchedUnits touched(config);
    touched.add(plan);
    touched.list();
    for (size_t i = 0; i < spoilt->tensors().size(); ++i) {
      const Tensor& tensor = spoilt->tensors()[i];
      if (tensor.sampled == Sampled::kNever) continue;
      std::vector<char> active(tensor.rows, touched.layer(tensor.layer));
      if (touched.layer(tensor.layer) && tensor.sampled != Sampled::kByLayer) {
        const auto [rows, count] = touched.rows(tensor.layer, touched.lists().data()).of(tensor);
        std::fill(active.begin(), active.end(), 0);
        for (int64_t j = 0; j < count; ++j) active[rows ? rows[j] : j] = 1;
      }
      Doubles weights = read(*spoilt, Role::kWeight, i);
      Doubles gradients(weights.size());
      for (int64_t j = 0; j < tensor.size(); ++j) {
        if (active[j / tensor.cols]) continue;
        weights[j] = NAN;
        gradients[j] = 5;
      }
      write(*spoilt, Role::kWeight, i, weights);
      write(*spoilt, Role::kGradient, i, gradients);
    }
    const std::vector<Doubles> before = read_all(*spoilt, Role::kGradient);
    CHECK(clean->forward_backward(group.view(), 1).loss == spoilt->forward_backward(group.view(), 1).loss);
    std::vector<Doubles> wanted = read_all(*clean, Role::kGradient);
    for (size_t i = 0; i < wanted.size(); ++i) {
      for (size_t j = 0; j < wanted[i].size(); ++j) wanted[i][j] += before[i][j];
    }
    CHECK(read_all(*spoilt, Role::kGradient) == wanted);
  }
}

// Gathered operands and scattered gradients give what row lists do: over several groups and updates, with rows that are
// active in some, all or none of them. Not the same bits, since gradients add up in slots first.
TEST(model_on_gathered_operands_computes_the_same) {
  for (const ModelConfig& config : small_architectures()) {
    const Note note(name_of(config));
    const auto listed = make_model(config, on_reference());
    const auto compact = make_model(config, {{"reference-compact", "", Precision::kFloat64}});
    TestBatch dense = make_batch(config, 2, 6, 3);
    TestBatch sampled = make_batch(config, 1, 12, 4);
    sampled.subnetwork = small_subnetwork();
    for (int64_t step = 1; step <= 4; ++step) {
      // Some rows are active in no group of a step that freezes.
      const bool freezes = step % 2 == 0;
      for (const TestBatch* group : {&sampled, &dense, &dense, &sampled}) {
        if (freezes && group == &dense) continue;
        const double loss = listed->forward_backward(group->view(), 0.5).loss;
        CHECK_NEAR(compact->forward_backward(group->view(), 0.5).loss, loss, 1e-12);
        CHECK_NEAR(compact->forward(group->view(), Logits::kNone, nullptr).loss, loss, 1e-12);
      }
      // Reading adds slots to the masters; without, the last update takes them as they are.
      if (step < 4) {
        check_tensors(*compact, read_all(*compact, Role::kGradient), read_all(*listed, Role::kGradient), 1e-12);
      }
      const double norm = listed->optimizer_step(optimizer_step(step, freezes)).gradient_norm;
      CHECK_NEAR(compact->optimizer_step(optimizer_step(step, freezes)).gradient_norm, norm, 1e-12 * norm);
      for (const Role role : {Role::kWeight, Role::kGradient, Role::kState0, Role::kState1}) {
        check_tensors(*compact, read_all(*compact, role), read_all(*listed, role), 1e-9);
      }
    }
  }
}

TEST(model_logits) {
  const ModelConfig config = small_config();
  const int64_t V = config.vocab_size;
  TestBatch group = make_batch(config, 3, 5);
  for (const std::string& isa : isas()) {
    const Note note(isa);
    const auto model = make_model(config, on_cpu(isa, 2));
    Floats all(15 * V, NAN);
    Floats with_targets(all);
    Floats last(3 * V, NAN);
    MicroBatch batch = group.view();
    const double loss = model->forward(batch, Logits::kAll, with_targets.data()).loss;
    CHECK(model->forward(batch, Logits::kNone, nullptr).loss == loss);
    batch.targets = nullptr;
    CHECK(model->forward(batch, Logits::kAll, all.data()).loss == 0);
    model->forward(batch, Logits::kLast, last.data());
    CHECK(all == with_targets);
    double sum = 0;
    double targets = 0;
    for (int64_t i = 0; i < 15; ++i) {
      const float* row = all.data() + i * V;
      if (i % 5 == 4) {
        // A product of few rows sums in another order.
        for (int64_t v = 0; v < V; ++v) CHECK_NEAR(last[i / 5 * V + v], row[v], 1e-5);
      }
      if (group.targets[i] < 0) continue;
      double denominator = 0;
      for (int64_t v = 0; v < V; ++v) denominator += std::exp(static_cast<double>(row[v]));
      sum += std::log(denominator) - row[group.targets[i]];
      ++targets;
    }
    CHECK_NEAR(loss, sum / targets, 1e-6);
  }
}

// A vocabulary so large that the head runs in several blocks of rows: two halves of a batch, which fit in one block
// each, must give the loss and gradients of the whole.
TEST(model_head_in_blocks_of_rows) {
  const ModelConfig config = gpt2_config(1, 1, 4, 4, 70, 300000);
  const std::string isa = isas().back();
  const auto whole = make_model(config, on_cpu(isa, 2));
  const auto halves = make_model(config, on_cpu(isa, 2));
  TestBatch group = make_batch(config, 2, 50);
  for (auto& target : group.targets) target = std::max(target, 0);
  const double loss = whole->forward_backward(group.view(), 1).loss;
  double sum = 0;
  for (const int64_t half : {0, 1}) {
    sum += halves->forward_backward(group.view(half, {1, {}}), 0.5).loss / 2;
  }
  CHECK_NEAR(loss, sum, 1e-6 * loss);
  check_tensors(*whole, read_all(*whole, Role::kGradient), read_all(*halves, Role::kGradient), kFloatModel);
}

TEST(model_makes_room_for_growing_batches) {
  const ModelConfig config = small_config();
  const auto model = make_model(config, on_cpu(""));
  CHECK(model->activation_bytes() == 0);
  size_t largest = 0;
  for (const auto& [batch, sequence] :
       {std::pair<int64_t, int64_t>{1, 2}, {4, 3}, {1, 12}, {2, 12}, {1, 1}, {40, 1}, {3, 5}}) {
    const Note note("B " + std::to_string(batch) + ", T " + std::to_string(sequence));
    TestBatch group = make_batch(config, batch, sequence);
    const auto fresh = make_model(config, on_cpu(""));
    // Evaluation first: it plans less, and training then replans.
    CHECK(model->forward(group.view(), Logits::kNone, nullptr).loss ==
          fresh->forward(group.view(), Logits::kNone, nullptr).loss);
    CHECK(fresh->activation_bytes() == fresh->plan_bytes(batch, sequence, false));
    CHECK(model->forward_backward(group.view(), 1).loss == fresh->forward_backward(group.view(), 1).loss);
    CHECK(fresh->activation_bytes() == fresh->plan_bytes(batch, sequence, true));
    CHECK(read_all(*model, Role::kGradient) == read_all(*fresh, Role::kGradient));
    CHECK(model->activation_bytes() >= largest);
    largest = model->activation_bytes();
    model->clear_gradients();
  }
}

TEST(model_evaluation_needs_less_memory_and_keeps_the_gradients) {
  const ModelConfig config = gpt2_config(12, 4, 32, 64, 32, 50);
  const auto model = make_model(config, on_cpu(""));
  CHECK(2 * model->plan_bytes(64, 32, false) < model->plan_bytes(64, 32, true));
  TestBatch group = make_batch(config, 2, 20);
  model->forward_backward(group.view(), 1);
  const std::vector<Doubles> gradients = read_all(*model, Role::kGradient);
  model->forward(make_batch(config, 8, 32, 7).view(), Logits::kNone, nullptr);
  CHECK(read_all(*model, Role::kGradient) == gradients);
}

TEST(model_reads_what_was_written) {
  for (const ModelOptions& options : {on_cpu(""), on_reference(false), on_reference(true)}) {
    const auto model = Model::create(small_config(), options);
    Random random(81);
    for (const Role role : {Role::kWeight, Role::kGradient, Role::kState0, Role::kState1}) {
      std::vector<Doubles> written;
      for (size_t i = 0; i < model->tensors().size(); ++i) {
        CHECK(read(*model, role, i) == Doubles(model->tensors()[i].size()));
        written.push_back(widen(random.normals(model->tensors()[i].size())));
        write(*model, role, i, written.back());
      }
      CHECK(read_all(*model, role) == written);
    }
  }
}

// A weight of 0 adds nothing, and neither does one that fp32 cannot hold.
TEST(model_adds_nothing_for_a_group_of_weight_zero) {
  TestBatch group = make_batch(small_config(), 2, 6);
  for (const ModelOptions& options : {on_cpu(""), on_reference()}) {
    const auto model = make_model(small_config(), options);
    const double loss = model->forward_backward(group.view(), 1).loss;
    const std::vector<Doubles> gradients = read_all(*model, Role::kGradient);
    CHECK(model->forward_backward(group.view(), 0).loss == loss);
    CHECK(read_all(*model, Role::kGradient) == gradients);
    CHECK(model->forward_backward(group.view(), 1e-60).loss == loss);
    check_tensors(*model, read_all(*model, Role::kGradient), gradients, 1e-15);
  }
}

// Losses are kept while micro-batches grow, evaluations come between, and there are more of them than there is room
// for.
TEST(model_losses_that_nobody_waited_for) {
  const ModelConfig config = small_config();
  for (const ModelOptions& options : {on_cpu(""), on_reference()}) {
    const auto waiting = make_model(config, options);
    const auto model = make_model(config, options);
    std::vector<double> expected;
    for (int64_t i = 0; i < 21; ++i) {
      TestBatch batch = make_batch(config, i < 12 ? 2 : 4, 4 + i % 7, static_cast<uint64_t>(30 + i));
      if (i % 4 == 1) batch.subnetwork = small_subnetwork();
      expected.push_back(waiting->forward_backward(batch.view(), 0.5).loss);
      CHECK(std::isnan(model->accumulate(batch.view(), 0.5).loss));
      if (i == 14) CHECK(model->forward_backward(batch.view(), 0).loss == expected.back());
      if (i == 15) model->forward(make_batch(config, 6, 12, 7).view(), Logits::kNone, nullptr);
    }
    CHECK(model->take_losses() == expected);
    CHECK(model->take_losses().empty());
    CHECK(read_all(*model, Role::kGradient) == read_all(*waiting, Role::kGradient));
    model->accumulate(make_batch(config, 2, 4).view(), 1);
    model->clear_gradients();
    CHECK(model->take_losses().empty());
  }
}

}  // namespace burgeon::test
