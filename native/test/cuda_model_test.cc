// Whole steps on the CUDA backend as the addon sees it: through the loader, from a library in which the kernels run on
// the host.
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "backend/cuda/loader.h"
#include "model/recordings.h"
#include "test/cuda_fixture.h"
#include "test/model_fixture.h"

namespace burgeon::test {

namespace {

double cosine(const std::vector<Doubles>& a, const std::vector<Doubles>& b) {
  double product = 0;
  double aa = 0;
  double bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t j = 0; j < a[i].size(); ++j) {
      product += a[i][j] * b[i][j];
      aa += a[i][j] * a[i][j];
      bb += b[i][j] * b[i][j];
    }
  }
  return product / std::sqrt(aa * bb);
}

// Multiples of 8 everywhere, so that products go to tensor cores and attention to its tiles.
ModelConfig aligned_config() { return gpt2_config(2, 2, 128, 256, 80, 200); }

std::vector<TestBatch> groups_of(const ModelConfig& config, int64_t sequence) {
  TestBatch dense = make_batch(config, 2, sequence, 3);
  TestBatch sampled = make_batch(config, 1, sequence, 4);
  sampled.subnetwork = with_layer_scale(small_subnetwork(), 1.25);
  if (config.n_layer == 2) {
    sampled.subnetwork = with_layer_scale({}, 1.25);
    sampled.subnetwork->heads = {{1}, {0}};
    sampled.subnetwork->neurons.resize(2);
    for (int32_t j = 0; j < 128; ++j) {
      sampled.subnetwork->neurons[0].push_back(2 * j);
      sampled.subnetwork->neurons[1].push_back(j + 60);
    }
  }
  return {sampled, dense};
}

// Largest difference of any element, over the root mean square of its tensor.
double difference(const std::vector<Doubles>& results, const std::vector<Doubles>& expected) {
  double worst = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    double squares = 0;
    double largest = 0;
    for (size_t j = 0; j < expected[i].size(); ++j) {
      squares += expected[i][j] * expected[i][j];
      const double off = std::fabs(results[i][j] - expected[i][j]);
      if (!(off <= largest)) largest = off;
    }
    const double size = std::sqrt(squares / static_cast<double>(expected[i].size())) + 1e-6;
    if (!(largest / size <= worst)) worst = largest / size;
  }
  return worst;
}

}  // namespace

TEST(cuda_model_matches_the_reference) {
  std::vector<ModelConfig> configs = small_architectures();
  configs.push_back(aligned_config());
  for (const ModelConfig& config : configs) {
    const Note note(name_of(config) + ", C " + std::to_string(config.n_embd));
    const auto reference = make_model(config, on_reference());
    const auto exact = make_model(config, on_cuda());
    const auto mixed = make_model(config, on_cuda(Precision::kBfloat16));
    const auto vendor = make_model(config, on_cuda_with_library());
    for (int64_t step = 1; step <= (config.n_embd == 15 ? 2 : 1); ++step) {
      for (const TestBatch& group : groups_of(config, std::min<int64_t>(config.context_length, 20))) {
        const StepResult expected = reference->forward_backward(group.view(), 0.5);
        const StepResult result = exact->forward_backward(group.view(), 0.5);
        CHECK_NEAR(result.loss, expected.loss, 2e-6 * (1 + expected.loss));
        CHECK(result.forward.qkv == expected.forward.qkv && result.forward.scores == expected.forward.scores);
        CHECK(result.backward.mlp == expected.backward.mlp && result.backward.scores == expected.backward.scores);
        CHECK(result.backward.head == expected.backward.head);
        for (Model* model : {mixed.get(), vendor.get()}) {
          CHECK_NEAR(model->forward_backward(group.view(), 0.5).loss, expected.loss, 0.02 * expected.loss);
        }
      }
      const std::vector<Doubles> gradients = read_all(*reference, Role::kGradient);
      CHECK(difference(read_all(*exact, Role::kGradient), gradients) < 1e-3);
      // The first update of AdamW has the size of the learning rate even where the gradient is rounding alone.
      for (Model* model : {mixed.get(), vendor.get()}) {
        CHECK_NEAR(cosine(read_all(*model, Role::kGradient), gradients), 1, step == 1 ? 1e-3 : 2e-2);
      }
      const double norm = reference->optimizer_step(optimizer_step(step, step == 2)).gradient_norm;
      CHECK_NEAR(exact->optimizer_step(optimizer_step(step, step == 2)).gradient_norm, norm, 1e-5 * norm);
      for (Model* model : {mixed.get(), vendor.get()}) {
        CHECK_NEAR(model->optimizer_step(optimizer_step(step, step == 2)).gradient_norm, norm, 0.05 * norm);
      }
      for (const Role role : {Role::kWeight, Role::kState0}) {
        CHECK(difference(read_all(*exact, role), read_all(*reference, role)) < 2e-2);
      }
    }
  }
}

// The kernels that only a device of compute capability 9.0 takes.
TEST(cuda_model_matches_the_reference_on_sm_90) {
  setenv("BURGEON_CUDA_HOST_CAPABILITY", "9.0", 1);
  const ModelConfig config = aligned_config();
  const auto reference = make_model(config, on_reference());
  const auto mixed = make_model(config, on_cuda(Precision::kBfloat16));
  for (const TestBatch& group : groups_of(config, 20)) {
    const double expected = reference->forward_backward(group.view(), 0.5).loss;
    CHECK_NEAR(mixed->forward_backward(group.view(), 0.5).loss, expected, 0.02 * expected);
  }
  CHECK_NEAR(cosine(read_all(*mixed, Role::kGradient), read_all(*reference, Role::kGradient)), 1, 1e-3);
  unsetenv("BURGEON_CUDA_HOST_CAPABILITY");
}

TEST(cuda_model_takes_the_loss_in_the_product_on_sm_90) {
  const Sm90 device;
  // Words that fill no tile, a head of its own, and rows that are not whole vectors, for which two passes stay.
  for (const ModelConfig& config : {aligned_config(), llama_config(2, 2, 1, 32, 64, 70, 80, 203), small_config()}) {
    const Note note(name_of(config) + ", C " + std::to_string(config.n_embd));
    const auto reference = make_model(config, on_reference());
    const TestBatch batch = make_batch(config, 2, std::min<int64_t>(config.context_length, 20), 3);
    const StepResult expected = reference->forward_backward(batch.view(), 0.5);
    for (const ModelOptions& options : {on_cuda(Precision::kBfloat16), on_cuda_with_library()}) {
      const auto model = make_model(config, options);
      const StepResult result = model->forward_backward(batch.view(), 0.5);
      CHECK_NEAR(result.loss, expected.loss, 0.02 * expected.loss);
      CHECK(same(result.forward, expected.forward) && same(result.backward, expected.backward));
      CHECK_NEAR(cosine(read_all(*model, Role::kGradient), read_all(*reference, Role::kGradient)), 1, 1e-3);
      CHECK(model->forward(batch.view(), Logits::kNone, nullptr).loss == result.loss);
      // With logits there are two passes, and these are rounded.
      Floats logits(static_cast<size_t>(batch.batch * batch.sequence * config.vocab_size));
      const double apart = model->forward(batch.view(), Logits::kAll, logits.data()).loss;
      CHECK_NEAR(apart, result.loss, 0.01 * result.loss);
      CHECK((apart != result.loss) == (config.n_embd % 8 == 0));
    }
  }
}

namespace {

// Makes NaN of what belongs to the other neurons of a layer.
void spoil_other_neurons(Model& model, int64_t layer, const std::vector<int32_t>& active) {
  for (size_t i = 0; i < model.tensors().size(); ++i) {
    const Tensor& tensor = model.tensors()[i];
    if (tensor.layer != layer || tensor.sampled != Sampled::kNeurons) continue;
    Doubles values = read(model, Role::kWeight, i);
    for (int32_t row = 0; row < tensor.rows; ++row) {
      if (std::binary_search(active.begin(), active.end(), row)) continue;
      for (int64_t c = 0; c < tensor.cols; ++c) values[static_cast<size_t>(row * tensor.cols + c)] = NAN;
    }
    write(model, Role::kWeight, i, values);
  }
}

}  // namespace

// Neurons and words that are no multiple of 8 would leave the library without a fast product: rows of zeros take part,
// which nobody counts, and which nothing of what does not take part gets into.
TEST(cuda_model_pads_odd_counts_for_the_library) {
  const int64_t C = 64;
  const int64_t rows = 2 * 20;
  for (const ModelConfig& config : {gpt2_config(2, 2, C, 70, 80, 203), llama_config(2, 2, 1, 32, C, 70, 80, 203)}) {
    Subnetwork drawn;
    drawn.heads = {{}, {}};
    drawn.neurons = {{}, {}};
    for (int32_t j = 0; j < 37; ++j) {
      drawn.neurons[0].push_back(2 * j - (j > 30 ? j - 30 : 0));
      drawn.neurons[1].push_back(j + 33);
    }
    Subnetwork nested = drawn;
    for (std::vector<int32_t>& neurons : nested.neurons) {
      for (int32_t j = 0; j < 37; ++j) neurons[static_cast<size_t>(j)] = j;
    }
    for (const Subnetwork& subnetwork : {drawn, nested, Subnetwork()}) {
      const Note note(name_of(config) + (subnetwork.neurons.empty() ? "" : " of 37 neurons"));
      const TemporaryFile plans;
      ModelOptions options = on_cuda_with_library();
      options.cuda_plans = plans.path();
      const auto vendor = make_model(config, options);
      const auto reference = make_model(config, on_reference());
      TestBatch batch = make_batch(config, 2, 20, 3);
      batch.subnetwork = subnetwork;
      const StepResult expected = reference->forward_backward(batch.view(), 0.5);
      if (!subnetwork.neurons.empty()) spoil_other_neurons(*vendor, 1, subnetwork.neurons[1]);
      const StepResult result = vendor->forward_backward(batch.view(), 0.5);
      CHECK_NEAR(result.loss, expected.loss, 0.02 * expected.loss);
      CHECK(same(result.forward, expected.forward) && same(result.backward, expected.backward));
      CHECK_NEAR(cosine(read_all(*vendor, Role::kGradient), read_all(*reference, Role::kGradient)), 1, 1e-3);
      // m n k of the products, in the library's terms: from neurons and from words, to them, and their gradients.
      const std::string file = plans.text();
      const std::string m = subnetwork.neurons.empty() ? "128" : "64";
      const std::string neurons = subnetwork.neurons.empty() ? "70" : "37";
      const auto has = [&](const std::string& key) {
        const Note wanted(key);
        CHECK(contains(file, "\t" + key));
      };
      const std::string N = std::to_string(rows);
      has("1 0 " + m + " " + N + " 64 ");
      has("0 0 64 " + N + " " + m + " ");
      has("0 1 64 " + neurons + " " + N + " 64 " + m + " ");
      has("1 0 256 " + N + " 64 ");
      has("0 0 64 " + N + " 256 ");
      has("0 1 64 203 " + N + " 64 256 ");
    }
  }
}

TEST(cuda_model_gives_the_same_bits_in_every_order_of_threads) {
  const ModelConfig config = small_llama();
  for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
    std::vector<std::vector<Doubles>> weights;
    for (const char* seed : {"1", "2"}) {
      setenv("BURGEON_CUDA_HOST_SEED", seed, 1);
      const auto model = make_model(config, on_cuda(precision));
      for (const TestBatch& group : groups_of(config, 11)) model->forward_backward(group.view(), 0.5);
      model->optimizer_step(optimizer_step());
      weights.push_back(read_all(*model, Role::kWeight));
    }
    unsetenv("BURGEON_CUDA_HOST_SEED");
    CHECK(weights[0] == weights[1]);
  }
}

namespace {

// Two of three layers with one or two heads and eight neurons each: another choice each time, of one shape.
Subnetwork drawn_subnetwork(Random& random, const ModelConfig& config) {
  const auto choose = [&](int64_t count, int64_t of) {
    std::vector<int32_t> chosen;
    for (int32_t i = 0; i < of; ++i) {
      const int64_t wanted = count - static_cast<int64_t>(chosen.size());
      if (random.between(0, of - i - 1) < wanted) chosen.push_back(i);
    }
    return chosen;
  };
  Subnetwork subnetwork;
  subnetwork.has_layers = true;
  subnetwork.layers = choose(2, config.n_layer);
  subnetwork.heads = {choose(2, config.n_kv_head), choose(1, config.n_kv_head)};
  subnetwork.neurons = {choose(8, config.n_inner), choose(8, config.n_inner)};
  subnetwork.head_scale = {1.5, 3};
  subnetwork.neuron_scale = {static_cast<double>(config.n_inner) / 8, static_cast<double>(config.n_inner) / 8};
  return subnetwork;
}

}  // namespace

TEST(cuda_model_with_graphs_gives_the_bits_of_single_launches) {
  // With the library for what of the first is aligned, with kernels for the odd sizes of the others.
  for (const ModelConfig& config : {llama_config(3, 6, 3, 8, 48, 24, 12, 40), small_config(), small_llama()}) {
    for (const bool freeze : {false, true}) {
      const Note note(name_of(config) + (freeze ? ", freeze" : ""));
      std::vector<std::vector<Doubles>> results;
      std::vector<Doubles> losses;
      for (const bool graphs : {false, true}) {
        ModelOptions options = on_cuda_with_library();
        options.graphs = graphs;
        const auto model = make_model(config, options);
        Random random(91);
        losses.emplace_back();
        for (int64_t step = 1; step <= 3; ++step) {
          // One subnetwork for all micro-batches of the second step, two for those of the others; evaluation between.
          for (int64_t g = 0; g < (step == 2 ? 1 : 2); ++g) {
            const Subnetwork drawn = drawn_subnetwork(random, config);
            for (int64_t i = 0; i < 3; ++i) {
              TestBatch group = make_batch(config, 2, 7, static_cast<uint64_t>(10 * step + i));
              group.targets = make_batch(config, 2, 7, 5).targets;  // as many that count in every batch
              group.subnetwork = drawn;
              losses.back().push_back(model->forward_backward(group.view(), 0.25).loss);
            }
          }
          // Micro-batches of two groups, other ones each time.
          for (int64_t i = 0; i < 2; ++i) {
            TestBatch batch = make_batch(config, 3, 7, static_cast<uint64_t>(20 * step + i));
            batch.targets = make_batch(config, 3, 7, 5).targets;
            const Subnetwork first = drawn_subnetwork(random, config);
            const std::vector<SequenceGroup> parts{{1, first}, {2, drawn_subnetwork(random, config)}};
            MicroBatch whole = batch.view();
            whole.groups = &parts;
            losses.back().push_back(model->forward_backward(whole, 0.25).loss);
          }
          losses.back().push_back(model->optimizer_step(optimizer_step(step, freeze)).gradient_norm);
          TestBatch held_out = make_batch(config, 2, 7);
          losses.back().push_back(model->forward(held_out.view(), Logits::kNone, nullptr).loss);
        }
        results.push_back(read_all(*model, Role::kWeight));
      }
      CHECK(losses[0] == losses[1]);
      CHECK(results[0] == results[1]);
    }
  }
}

TEST(cuda_recordings_replay_a_kind_from_its_second_time_on) {
  const auto device = cuda::open_device(cuda::load_library(BURGEON_CUDA_HOST_LIBRARY), 0, "off");
  const auto filled = [&](char* memory) {
    char byte = 1;
    device->write(memory, &byte, 1);
    return [&device, memory] {
      char now;
      device->read(&now, memory, 1);
      return now;
    };
  };
  char* const memory = static_cast<char*>(device->allocate(256));
  for (const bool enabled : {false, true}) {
    Recordings recordings(*device, enabled);
    int64_t queued = 0;
    Work forward;
    Work backward;
    int64_t kernels = 0;
    const auto run = [&](int64_t kind) {
      const auto now = filled(memory);
      recordings.run({kind}, &forward, &backward, &kernels, [&](Work* work, Work*) {
        ++queued;
        work->head += 10;
        device->clear(memory, 1);
      });
      CHECK(now() == 0);
    };
    for (const int64_t kind : {1, 1, 1, 2, 1, 2, 2, 1}) run(kind);
    CHECK(forward.head == 80 && backward.head == 0);
    CHECK(queued == (enabled ? 4 : 8));  // of each kind: once as it comes, once to be recorded
    recordings.forget();
    run(1);
    run(1);
    run(1);
    CHECK(queued == (enabled ? 6 : 11));
    for (int64_t kind = 10; kind < 90; ++kind) run(kind);
    CHECK(queued == (enabled ? 86 : 91));
    run(1);  // long forgotten
    CHECK(queued == (enabled ? 87 : 92));
    // While a graph is recorded nothing can be read.
    if (enabled) {
      char byte;
      device->begin_recording();
      bool refused = false;
      try {
        device->read(&byte, memory, 1);
      } catch (const Error& error) {
        refused = error.code() == ErrorCode::kCuda;
      }
      CHECK(refused);
      // What failed is recorded no longer: this thread may take memory again.
      const auto other = cuda::open_device(cuda::load_library(BURGEON_CUDA_HOST_LIBRARY), 0, "off");
      void* const block = other->allocate(256);
      CHECK(block);
      other->release(block, 256);
    }
  }
  device->release(memory, 256);
}

// AddressSanitizer sees what comes too late.
TEST(cuda_memory_is_given_back_once_copies_to_it_are_done) {
  const auto device = cuda::open_device(cuda::load_library(BURGEON_CUDA_HOST_LIBRARY), 0, "off");
  const std::vector<char> numbers(4096, 1);
  for (int i = 0; i < 3; ++i) {
    void* const block = device->allocate(numbers.size());
    device->write(block, numbers.data(), numbers.size());
    device->release(block, numbers.size());
  }
  make_model(small_config(), on_cuda());
}

TEST(cuda_model_continues_a_text_from_its_cache) {
  for (const ModelConfig& config : {small_config(), small_llama()}) {
    const Note note(name_of(config));
    const auto model = make_model(config, on_cuda());
    TestBatch group = make_batch(config, 2, 9);
    std::vector<int32_t> start;
    std::vector<int32_t> rest;
    for (int64_t b = 0; b < 2; ++b) {
      const auto tokens = group.tokens.begin() + b * 9;
      start.insert(start.end(), tokens, tokens + 5);
      rest.insert(rest.end(), tokens + 5, tokens + 9);
    }
    Floats whole(2 * config.vocab_size);
    Floats continued(2 * config.vocab_size);
    model->forward(group.view(), Logits::kLast, whole.data());
    const std::vector<SequenceGroup> both{{2, {}}};
    model->extend({start.data(), nullptr, 2, 5, &both}, 0, 12, continued.data());
    model->extend({rest.data(), nullptr, 2, 4, &both}, 5, 12, continued.data());
    for (size_t i = 0; i < whole.size(); ++i) CHECK_NEAR(continued[i], whole[i], 1e-4);
  }
}

TEST(cuda_loader_says_what_is_missing) {
  const auto message_of = [](const std::string& path, const char* devices, int index) -> std::string {
    setenv("BURGEON_CUDA_HOST_DEVICES", devices, 1);
    std::string message = "nothing was thrown";
    try {
      cuda::open_device(cuda::load_library(path), index, "off");
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::kCuda);
      message = error.what();
    }
    unsetenv("BURGEON_CUDA_HOST_DEVICES");
    return message;
  };
  const auto says = [](const std::string& message, const std::string& part) {
    const Note note(message);
    CHECK(message.find(part) != std::string::npos);
  };
  const std::string library = BURGEON_CUDA_HOST_LIBRARY;
  says(message_of("/nowhere/libburgeon_cuda.so", "1", 0), "is not built (/nowhere/libburgeon_cuda.so is not there)");
  says(message_of("/proc/self/maps", "1", 0), "could not be loaded");
  const std::string rebuild = "; build it with: npx burgeon build --cuda (in a clone: npm run build:cuda)";
  says(message_of(BURGEON_CUBLASLT_HOST_LIBRARY, "1", 0),
       "is no CUDA library of burgeon: it has no burgeon_cuda_get_api" + rebuild);
  says(message_of(BURGEON_OTHER_ABI_LIBRARY, "1", 0),
       " was built from another version, this is " BURGEON_VERSION + rebuild);
  says(message_of(BURGEON_OTHER_PACKAGE_LIBRARY, "1", 0),
       " was built from version 0.0.1, this is " BURGEON_VERSION + rebuild);
  says(message_of(library, "0", 0), "no CUDA device can be used: BURGEON_CUDA_HOST_DEVICES is 0");
  says(message_of(library, "1", 1), "cuda:1: expected a device in [0, 1)");
  says(message_of(library, "2", 1), "nothing was thrown");
}

}  // namespace burgeon::test
