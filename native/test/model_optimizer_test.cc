// Optimizer steps of the whole model: the update against a plain AdamW over every element, what `freeze` leaves alone,
// clipping, and clear gradients afterwards.
#include <algorithm>
#include <cmath>

#include "test/model_fixture.h"

namespace burgeon::test {

namespace {

std::vector<ModelOptions> backends() {
  std::vector<ModelOptions> all{on_reference()};
  for (const Table& table : fast_tables()) all.push_back(on_cpu(table.name, 2));
  return all;
}

// Whether row `row` of a tensor takes part when the heads and neurons of `layers` do; independent of TouchedUnits.
struct Units {
  std::vector<int64_t> layers;
  std::vector<std::vector<int64_t>> heads;
  std::vector<std::vector<int64_t>> neurons;

  bool touch(const ModelConfig& config, const Tensor& tensor, int64_t row) const {
    if (tensor.layer < 0) return true;
    const auto found = std::find(layers.begin(), layers.end(), tensor.layer);
    if (found == layers.end()) return false;
    const auto i = static_cast<size_t>(found - layers.begin());
    const auto has = [](const std::vector<int64_t>& list, int64_t unit) {
      return std::find(list.begin(), list.end(), unit) != list.end();
    };
    const std::string name = tensor.name;
    if (name == "qkvw" || name == "qkvb") return has(heads[i], row % config.n_embd / config.head_size);
    if (name == "attprojw") return has(heads[i], row / config.head_size);
    if (name == "fcw" || name == "fcb" || name == "fcprojw") return has(neurons[i], row);
    return true;
  }
};

// The union of small_subnetwork() and second_subnetwork().
Units touched_units() {
  std::vector<int64_t> all_neurons;
  for (int64_t j = 0; j < small_config().n_inner; ++j) all_neurons.push_back(j);
  return {{0, 2}, {{0, 2}, {0, 1}}, {{0, 3, 4, 7, 11, 16}, all_neurons}};
}

Subnetwork second_subnetwork() {
  Subnetwork subnetwork;
  subnetwork.has_layers = true;
  subnetwork.layers = {0, 2};
  subnetwork.heads = {{2}, {0}};
  subnetwork.neurons = {{7}, {2, 3}};
  return subnetwork;
}

}  // namespace

// Two dense steps give every moment a history; then come groups with two subnetworks and a step of either kind.
TEST(model_optimizer_step_matches_adamw) {
  const ModelConfig config = small_config();
  const Units units = touched_units();
  TestBatch first = make_batch(config, 2, 6, 3);
  TestBatch second = make_batch(config, 1, 7, 4);
  first.subnetwork = small_subnetwork();
  second.subnetwork = second_subnetwork();
  for (const ModelOptions& options : backends()) {
    for (const bool freeze : {false, true}) {
      const Note note(options.backend + " " + options.max_isa + (freeze ? ", freeze" : ", zero gradient"));
      const auto model = make_model(config, options);
      for (int64_t step = 1; step <= 2; ++step) {
        model->forward_backward(make_batch(config, 2, 12).view(), 1);
        model->optimizer_step(optimizer_step(step, freeze));
      }
      model->forward_backward(first.view(), 0.5);
      model->forward_backward(second.view(), 0.5);
      const auto weights = read_all(*model, Role::kWeight);
      const auto gradients = read_all(*model, Role::kGradient);
      const auto moments1 = read_all(*model, Role::kState0);
      const auto moments2 = read_all(*model, Role::kState1);

      OptimizerStep step = optimizer_step(3, freeze);
      step.clip = 0.25;  // below the norm of these gradients
      const double norm = model->optimizer_step(step).gradient_norm;
      double squares = 0;
      for (const Doubles& values : gradients) {
        for (const double value : values) squares += value * value;
      }
      CHECK(std::sqrt(squares) > step.clip);
      CHECK_NEAR(norm, std::sqrt(squares), 1e-6 * norm);

      const auto new_weights = read_all(*model, Role::kWeight);
      const auto new_moments1 = read_all(*model, Role::kState0);
      const auto new_moments2 = read_all(*model, Role::kState1);
      const double rounding = (options.precision == Precision::kFloat64) ? 1e-15 : 2 * kRounding;
      for (size_t i = 0; i < weights.size(); ++i) {
        const Tensor& tensor = model->tensors()[i];
        const std::string name = tensor.name;
        const bool decays = name == "wte" || name == "wpe" || name == "qkvw" || name == "attprojw" || name == "fcw" ||
                            name == "fcprojw";
        for (int64_t j = 0; j < tensor.size(); ++j) {
          const bool active = units.touch(config, tensor, j / tensor.cols);
          if (!active) CHECK(gradients[i][j] == 0);
          if (freeze && !active) {
            CHECK(new_weights[i][j] == weights[i][j]);
            CHECK(new_moments1[i][j] == moments1[i][j]);
            CHECK(new_moments2[i][j] == moments2[i][j]);
            continue;
          }
          const double g = gradients[i][j] * step.clip / norm;
          const double m = 0.9 * moments1[i][j] + 0.1 * g;
          const double v = 0.95 * moments2[i][j] + 0.05 * g * g;
          const double move = m / (1 - std::pow(0.9, 3)) / (std::sqrt(v / (1 - std::pow(0.95, 3))) + 1e-8);
          const double kept = weights[i][j] * (decays ? 1 - 1e-2 * 0.1 : 1);
          const double m_size = std::fabs(0.9 * moments1[i][j]) + std::fabs(0.1 * g);
          CHECK_NEAR(new_moments1[i][j], m, 4 * rounding * m_size);
          CHECK_NEAR(new_moments2[i][j], v, 8 * rounding * v);
          CHECK_NEAR(new_weights[i][j], kept - 1e-2 * move, rounding * (2 * std::fabs(weights[i][j]) + 0.2));
        }
      }
      for (const Doubles& values : read_all(*model, Role::kGradient)) {
        CHECK(std::all_of(values.begin(), values.end(), [](double value) { return value == 0; }));
      }
    }
  }
}

// What a step touched is forgotten with it: the next step of `freeze` follows its own groups only.
TEST(model_freeze_forgets_the_step_before) {
  const ModelConfig config = small_config();
  TestBatch sampled = make_batch(config, 2, 6);
  sampled.subnetwork = small_subnetwork();
  const auto model = make_model(config, on_cpu(""));
  model->forward_backward(make_batch(config, 2, 6).view(), 1);
  model->optimizer_step(optimizer_step(1, true));
  const size_t untouched = tensor_index(*model, "fcw", 1);
  const Doubles before = read(*model, Role::kWeight, untouched);
  model->forward_backward(sampled.view(), 1);
  model->optimizer_step(optimizer_step(2, true));
  CHECK(read(*model, Role::kWeight, untouched) == before);
  model->forward_backward(sampled.view(), 1);
  model->optimizer_step(optimizer_step(3, false));
  CHECK(read(*model, Role::kWeight, untouched) != before);
}

TEST(model_clip_of_zero_does_not_clip) {
  TestBatch group = make_batch(small_config(), 2, 6);
  const auto clipped = make_model(small_config(), on_cpu(""));
  const auto free = make_model(small_config(), on_cpu(""));
  clipped->forward_backward(group.view(), 1);
  free->forward_backward(group.view(), 1);
  OptimizerStep step = optimizer_step();
  step.clip = 1e9;
  const double norm = clipped->optimizer_step(step).gradient_norm;
  step.clip = 0;
  CHECK(free->optimizer_step(step).gradient_norm == norm);
  CHECK(read_all(*clipped, Role::kWeight) == read_all(*free, Role::kWeight));
}

// A gradient that was written counts like one that was computed: in the norm, and for the rows that are updated.
TEST(model_update_knows_written_gradients) {
  for (const bool freeze : {false, true}) {
    for (const ModelOptions& options : {on_reference(), on_cpu(""), ModelOptions{{"reference-compact"}}}) {
      const Note note(options.backend + (freeze ? " freeze" : ""));
      const auto model = make_model(small_config(), options);
      for (size_t i = 0; i < model->tensors().size(); ++i) {
        const Tensor& tensor = model->tensors()[i];
        // All rows of one unit of a layer, or a vector of width.
        const int64_t row = tensor.layer == 1 && tensor.sampled != Sampled::kByLayer ? 1 : 0;
        const std::vector<Doubles> before = read_all(*model, Role::kWeight);
        const std::vector<float> floats(static_cast<size_t>(tensor.cols), 2);
        const Doubles doubles(static_cast<size_t>(tensor.cols), 2);
        const bool is_double = model->element_size() == sizeof(double);
        model->write(Role::kGradient, i, row, 1, is_double ? static_cast<const void*>(doubles.data()) : floats.data());
        OptimizerStep step = optimizer_step(1, freeze);
        step.weight_decay = 0;
        CHECK_NEAR(model->optimizer_step(step).gradient_norm, 2 * std::sqrt(static_cast<double>(tensor.cols)), 1e-6);
        const Doubles after = read(*model, Role::kWeight, i);
        for (int64_t j = row * tensor.cols; j < (row + 1) * tensor.cols; ++j) CHECK(after[j] != before[i][j]);
        model->clear_gradients();
      }
    }
  }
}

}  // namespace burgeon::test
