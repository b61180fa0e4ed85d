// What the model refuses, word for word, and what it leaves behind after a failure: a refused call changes nothing, and
// numbers that are not finite clear the gradients and never reach the weights.
#include <cmath>
#include <limits>

#include "test/model_fixture.h"

namespace burgeon::test {

namespace {

const std::string kAdvice =
    "; the gradients were cleared. A lower learning rate, more warm-up steps or gradient clipping usually help";

bool all_zero(const std::vector<Doubles>& tensors) {
  for (const Doubles& values : tensors) {
    for (const double value : values) {
      if (value != 0) return false;
    }
  }
  return true;
}

std::vector<ModelOptions> backends() {
  std::vector<ModelOptions> all{on_reference(true), on_reference(false)};
  for (const Table& table : fast_tables()) all.push_back(on_cpu(table.name, 2));
  return all;
}

std::string text(const ModelOptions& options) {
  return options.backend + " " + options.max_isa +
         ((options.precision == Precision::kFloat64) ? " float64" : " float32");
}

}  // namespace

TEST(model_refuses_unknown_backends) {
  const ModelConfig config = small_config();
  CHECK_ERROR(ErrorCode::kBackend, "backend: expected \"cpu\", \"cuda\" or \"reference\", received \"tpu\"",
              Model::create(config, {{"tpu"}}));
  CHECK_ERROR(ErrorCode::kBackend,
              "BURGEON_MAX_ISA: expected amx, avx512bf16, avx512, avx2 or baseline, received \"sse9\"",
              Model::create(config, on_cpu("sse9")));
  CHECK_ERROR(ErrorCode::kBackend, "precision float64 needs the reference backend; the cpu backend computes in float32",
              Model::create(config, {{"cpu", "", Precision::kFloat64}}));
}

TEST(model_refuses_an_optimizer_that_the_backend_lacks) {
  ModelConfig config = small_config();
  Ops<float> ops = ref::table<float>(true);
  ops.name = "cuda";
  ops.muon = nullptr;
  require_optimizer(config, ops);
  config.optimizer = Optimizer::kMuon;
  CHECK_ERROR(ErrorCode::kBackend,
              "optimizer muon: the cuda backend has no Muon yet; use the device cpu, or the optimizer adamw",
              require_optimizer(config, ops));
  require_optimizer(config, ref::table<float>(true));
}

TEST(model_refuses_what_memory_cannot_hold) {
  const ModelConfig config = gpt2_config(1, 1, int64_t{1} << 20, 1, 1, 2);
  try {
    Model::create(config, on_cpu(""));
    CHECK(!"nothing was thrown");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kOutOfMemory);
    CHECK(std::string(error.what()).find("model: weights, gradients and moments need ") == 0);
  }
  // Activations: the refusal must leave a model that still works.
  constexpr int64_t kLong = int64_t{1} << 20;
  const auto model = Model::create(gpt2_config(1, 1, 1, kLong, kLong, 2), on_cpu(""));
  const auto run = [&](int64_t tokens) {
    const TestBatch group{1, tokens, std::vector<int32_t>(tokens), std::vector<int32_t>(tokens), {}, {}};
    return model->forward_backward(group.view(), 1).loss;
  };
  CHECK_NEAR(run(2), std::log(2), 1e-6);
  try {
    run(kLong);
    CHECK(!"nothing was thrown");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kOutOfMemory);
    CHECK(std::string(error.what()).find("activations need ") == 0);
  }
  CHECK_NEAR(run(2), std::log(2), 1e-6);
}

TEST(model_refuses_malformed_batches) {
  const auto model = make_model(small_config(), on_cpu(""));
  const TestBatch good = make_batch(small_config(), 2, 6);
  const auto shape_error = [](const std::string& received) {
    return "tokens: expected B >= 1 and 1 <= T <= 12 (the model's context length), received " + received;
  };
  const auto run = [&](const TestBatch& group) { model->forward_backward(group.view(), 1); };
  const auto shaped = [&](int64_t batch, int64_t sequence) {
    TestBatch group = good;
    group.batch = batch;
    group.sequence = sequence;
    return group;
  };
  CHECK_ERROR(ErrorCode::kShape, shape_error("(B=0, T=6)"), run(shaped(0, 6)));
  CHECK_ERROR(ErrorCode::kShape, shape_error("(B=2, T=0)"), run(shaped(2, 0)));
  CHECK_ERROR(ErrorCode::kShape, shape_error("(B=1, T=13)"), run(make_batch(small_config(), 1, 13)));

  TestBatch group = good;
  group.tokens[5] = 29;
  CHECK_ERROR(ErrorCode::kData, "tokens[5]: expected a token in [0, 29), received 29", run(group));
  group.tokens[5] = -1;
  CHECK_ERROR(ErrorCode::kData, "tokens[5]: expected a token in [0, 29), received -1", run(group));
  group = good;
  group.targets[11] = 29;
  CHECK_ERROR(ErrorCode::kData, "targets[11]: expected a token in [-1, 29), received 29", run(group));
  group.targets[11] = -2;
  CHECK_ERROR(ErrorCode::kData, "targets[11]: expected a token in [-1, 29), received -2", run(group));
  group.targets.assign(12, -1);
  CHECK_ERROR(ErrorCode::kData, "targets: expected at least one target that is not -1, received none", run(group));
}

TEST(model_refuses_malformed_subnetworks) {
  const auto model = make_model(small_config(), on_cpu(""));
  TestBatch group = make_batch(small_config(), 2, 6);
  const auto run = [&](const Subnetwork& subnetwork) {
    group.subnetwork = subnetwork;
    model->forward_backward(group.view(), 1);
  };
  const auto with_layers = [](std::vector<int32_t> layers) {
    Subnetwork subnetwork;
    subnetwork.has_layers = true;
    subnetwork.layers = std::move(layers);
    return subnetwork;
  };
  CHECK_ERROR(ErrorCode::kShape, "subnetwork.layers: expected at least one active layer, received none",
              run(with_layers({})));
  CHECK_ERROR(ErrorCode::kShape, "subnetwork.layers[0]: expected an index in [0, 3), received -1",
              run(with_layers({-1, 2})));
  CHECK_ERROR(ErrorCode::kShape, "subnetwork.layers[1]: expected an index in [0, 3), received 3",
              run(with_layers({0, 3})));
  CHECK_ERROR(ErrorCode::kShape,
              "subnetwork.layers[1]: expected ascending indices without repetition, received 0 after 2",
              run(with_layers({2, 0})));
  CHECK_ERROR(ErrorCode::kShape,
              "subnetwork.layers[2]: expected ascending indices without repetition, received 1 after 1",
              run(with_layers({0, 1, 1})));

  Subnetwork subnetwork = small_subnetwork();
  subnetwork.heads.pop_back();
  CHECK_ERROR(ErrorCode::kShape, "subnetwork.heads: expected one list per active layer (2), received 1",
              run(subnetwork));
  subnetwork = small_subnetwork();
  subnetwork.neurons.emplace_back();
  CHECK_ERROR(ErrorCode::kShape, "subnetwork.neurons: expected one list per active layer (2), received 3",
              run(subnetwork));
  subnetwork = small_subnetwork();
  subnetwork.heads[1] = {0, 3};
  CHECK_ERROR(ErrorCode::kShape, "subnetwork.heads[1][1]: expected an index in [0, 3), received 3", run(subnetwork));
  subnetwork.heads[1] = {1, 0};
  CHECK_ERROR(ErrorCode::kShape,
              "subnetwork.heads[1][1]: expected ascending indices without repetition, received 0 after 1",
              run(subnetwork));
  subnetwork = small_subnetwork();
  subnetwork.neurons[0] = {4, 17};
  CHECK_ERROR(ErrorCode::kShape, "subnetwork.neurons[0][1]: expected an index in [0, 17), received 17",
              run(subnetwork));
  subnetwork.neurons[0] = {4, 4};
  CHECK_ERROR(ErrorCode::kShape,
              "subnetwork.neurons[0][1]: expected ascending indices without repetition, received 4 after 4",
              run(subnetwork));
}

TEST(model_is_unchanged_by_a_refused_call) {
  const auto model = make_model(small_config(), on_cpu("", 2));
  const TestBatch good = make_batch(small_config(), 2, 6);
  model->forward_backward(good.view(), 1);
  const std::vector<Doubles> gradients = read_all(*model, Role::kGradient);
  TestBatch bad = good;
  bad.subnetwork = small_subnetwork();
  bad.subnetwork->neurons[0] = {4, 4};
  for (int i = 0; i < 2; ++i) {
    try {
      model->forward_backward(bad.view(), 1);
      CHECK(!"nothing was thrown");
    } catch (const Error&) {
    }
    bad = good;
    bad.tokens[0] = -1;
  }
  CHECK(read_all(*model, Role::kGradient) == gradients);
  const auto undisturbed = make_model(small_config(), on_cpu("", 2));
  undisturbed->forward_backward(good.view(), 1);
  model->optimizer_step(optimizer_step());
  undisturbed->optimizer_step(optimizer_step());
  CHECK(read_all(*model, Role::kWeight) == read_all(*undisturbed, Role::kWeight));
}

TEST(model_reports_a_loss_that_is_not_finite) {
  const TestBatch group = make_batch(small_config(), 2, 6);
  for (const ModelOptions& options : backends()) {
    for (const double bad : {static_cast<double>(NAN), std::numeric_limits<double>::infinity()}) {
      for (const char* name : {"wte", "wpe", "qkvw", "fcw", "lnfw"}) {
        const Note note(text(options) + ", " + name);
        const auto model = make_model(small_config(), options);
        model->forward_backward(group.view(), 1);
        const size_t index = tensor_index(*model, name, std::string(name).find("w") == 0 || name[0] == 'l' ? -1 : 1);
        const Doubles good = read(*model, Role::kWeight, index);
        Doubles weights(good);
        const int64_t row = std::string(name) == "wte" ? group.tokens[3] : 0;
        weights[row * model->tensors()[index].cols] = bad;
        write(*model, Role::kWeight, index, weights);
        try {
          model->forward_backward(group.view(), 1);
          CHECK(!"nothing was thrown");
        } catch (const Error& error) {
          const std::string message = error.what();
          CHECK(error.code() == ErrorCode::kNonfinite);
          CHECK(message.find("loss: expected a finite number, computed ") == 0);
          CHECK(message.find(kAdvice) != std::string::npos);
        }
        CHECK(all_zero(read_all(*model, Role::kGradient)));

        // With the weight repaired it trains on as if nothing had happened.
        write(*model, Role::kWeight, index, good);
        const auto undisturbed = make_model(small_config(), options);
        for (const auto& either : {model.get(), undisturbed.get()}) {
          either->forward_backward(group.view(), 1);
          either->optimizer_step(optimizer_step());
        }
        CHECK(read_all(*model, Role::kWeight) == read_all(*undisturbed, Role::kWeight));
      }
    }
  }
}

TEST(model_reports_a_gradient_that_is_not_finite) {
  const TestBatch group = make_batch(small_config(), 2, 6);
  for (const ModelOptions& options : backends()) {
    for (const char* name : {"wte", "lnfb", "qkvb", "attprojw", "fcprojb"}) {
      for (const bool freeze : {false, true}) {
        const Note note(text(options) + ", " + name);
        const auto model = make_model(small_config(), options);
        model->forward_backward(group.view(), 1);
        const bool global = name[0] == 'w' || name[0] == 'l';
        const size_t index = tensor_index(*model, name, global ? -1 : 2);
        Doubles gradients = read(*model, Role::kGradient, index);
        gradients.back() = NAN;
        write(*model, Role::kGradient, index, gradients);
        const std::vector<Doubles> weights = read_all(*model, Role::kWeight);
        CHECK_ERROR(ErrorCode::kNonfinite,
                    "gradient norm: expected a finite number, computed nan; the weights were left as they were and the "
                    "gradients cleared",
                    model->optimizer_step(optimizer_step(1, freeze)));
        CHECK(read_all(*model, Role::kWeight) == weights);
        CHECK(all_zero(read_all(*model, Role::kGradient)));
        CHECK(all_zero(read_all(*model, Role::kState0)));
        CHECK(all_zero(read_all(*model, Role::kState1)));
      }
    }
  }
}

}  // namespace burgeon::test
