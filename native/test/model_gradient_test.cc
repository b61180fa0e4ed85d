// The gradients of a whole step in double against numerical derivatives of its loss: dense, with a subnetwork, with
// scaled layers, and summed over groups. Elements of every tensor are drawn at random.
#include <cmath>

#include "test/differences.h"
#include "test/model_fixture.h"

namespace burgeon::test {

namespace {

struct Weighted {
  TestBatch group;
  double weight;
};

// Gradients of `groups` together, against the slope of the weighted sum of their losses.
void check_model_gradients(const ModelConfig& config, const std::vector<Weighted>& groups) {
  const auto model = make_model(config, on_reference());
  for (const auto& [group, weight] : groups) model->forward_backward(group.view(), weight);
  const std::vector<Doubles> gradients = read_all(*model, Role::kGradient);
  const auto loss = [&] {
    double sum = 0;
    for (const auto& [group, weight] : groups) {
      sum += weight * model->forward(group.view(), Logits::kNone, nullptr).loss;
    }
    return sum;
  };
  Random random(71);
  for (size_t i = 0; i < gradients.size(); ++i) {
    const Tensor& tensor = model->tensors()[i];
    Doubles weights = read(*model, Role::kWeight, i);
    for (int draw = 0; draw < 8; ++draw) {
      const int64_t element = random.between(0, tensor.size() - 1);
      const Note note(name_of(config) + ", " + tensor.name + "[" + std::to_string(element) + "] of layer " +
                      std::to_string(tensor.layer));
      const auto loss_of_weights = [&] {
        write(*model, Role::kWeight, i, weights);
        return loss();
      };
      const double gradient = gradients[i][element];
      CHECK_NEAR(gradient, slope(loss_of_weights, weights[element]), 1e-9 * (1 + std::fabs(gradient)));
    }
    write(*model, Role::kWeight, i, weights);
  }
}

TestBatch with(TestBatch group, Subnetwork subnetwork) {
  group.subnetwork = std::move(subnetwork);
  return group;
}

// The same groups on every architecture.
void check_model_gradients(const std::vector<Weighted>& groups) {
  for (const ModelConfig& config : small_architectures()) check_model_gradients(config, groups);
}

}  // namespace

TEST(model_gradients_dense) { check_model_gradients({{make_batch(small_config(), 2, 7), 1}}); }

TEST(model_gradients_of_the_full_context) { check_model_gradients({{make_batch(small_config(), 1, 12), 0.25}}); }

TEST(model_gradients_of_one_token) { check_model_gradients({{make_batch(small_config(), 1, 1), 1}}); }

TEST(model_gradients_with_a_subnetwork) {
  check_model_gradients({{with(make_batch(small_config(), 2, 6), small_subnetwork()), 1}});
}

TEST(model_gradients_of_the_first_units) {
  check_model_gradients({{with(make_batch(small_config(), 2, 6), small_nested()), 1}});
}

TEST(model_gradients_with_scaled_layers) {
  check_model_gradients({{with(make_batch(small_config(), 2, 6), with_layer_scale(small_subnetwork(), 1.5)), 1}});
}

// One query head of every key and value head, in some layers.
TEST(model_gradients_with_sampled_query_heads) {
  Subnetwork queries;
  queries.query_heads = {{0, 2, 5}, {}, {1, 3, 4}};
  queries.neurons = {{1, 2}, {}, {16}};
  queries.head_scale = {2, 1, 2};
  queries.neuron_scale = {17.0 / 2, 1, 17};
  check_model_gradients(small_llama(), {{with(make_batch(small_llama(), 2, 6), queries), 1}});
}

TEST(model_gradients_of_groups_add_up) {
  Subnetwork heads_only;
  heads_only.heads = {{1}, {0, 1, 2}, {0, 2}};
  heads_only.head_scale = {3, 1, 1.5};
  check_model_gradients({{with(make_batch(small_config(), 2, 5, 3), small_subnetwork()), 0.5},
                         {with(make_batch(small_config(), 1, 9, 4), with_layer_scale(heads_only, 0.7, 3)), 0.3},
                         {make_batch(small_config(), 1, 3, 5), -0.2}});
}

}  // namespace burgeon::test
