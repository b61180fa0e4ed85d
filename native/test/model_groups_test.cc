// Micro-batches of several groups, each on its own subnetwork: the same as calls of their own for each, on every
// backend.
#include <algorithm>

#include "test/model_fixture.h"

namespace burgeon::test {

namespace {

struct Backend {
  ModelOptions options;
  double tolerance;  // of a tensor's gradient, relative to its norm
};

// bfloat16: the sums of products of other shapes round otherwise now and then.
std::vector<Backend> backends() {
  std::vector<Backend> all{{on_reference(), 1e-12}};
  for (const Table& table : fast_tables()) {
    all.push_back({on_cpu(table.name, 2), 2e-5});
    all.push_back({{{"cpu", table.name, Precision::kBfloat16}, 2}, 1e-2});
  }
  for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
    ModelOptions options{{"cuda", "", precision, BURGEON_CUDA_HOST_LIBRARY}};
    options.cublaslt = "off";
    all.push_back({options, precision == Precision::kFloat32 ? 1e-4 : 2e-2});
  }
  return all;
}

int64_t valid(const int32_t* targets, int64_t count) { return count - std::count(targets, targets + count, -1); }

}  // namespace

TEST(model_trains_groups_of_a_batch_as_if_each_came_alone) {
  Subnetwork last_layer;
  last_layer.has_layers = true;
  last_layer.layers = {2};
  last_layer.neurons = {{0, 3, 4, 8}};
  const Subnetwork sampled = small_subnetwork();
  // The full model between two subnetworks, one of them twice; odd numbers of rows.
  const std::vector<SequenceGroup> groups{
      {1, with_layer_scale(sampled, 1.25)}, {3, last_layer}, {1, {}}, {2, sampled}, {1, small_nested()}};
  for (const ModelConfig& config : small_architectures()) {
    TestBatch batch = make_batch(config, 8, 7);
    for (const Backend& backend : backends()) {
      const Note note(name_of(config) + ", " + backend.options.backend + " " + backend.options.max_isa +
                      (backend.options.precision == Precision::kBfloat16 ? " bf16" : ""));
      const auto together = make_model(config, backend.options);
      const auto alone = make_model(config, backend.options);
      // Freezing reads what the groups touched; the second step starts from moments and gathered weights of the first.
      for (int64_t step = 1; step <= 2; ++step) {
        MicroBatch whole = batch.view();
        whole.groups = &groups;
        const StepResult result = together->forward_backward(whole, 0.75);
        double loss = 0;
        Work forward, backward;
        int64_t first = 0;
        for (const SequenceGroup& group : groups) {
          const MicroBatch part = batch.view(first, group);
          const int64_t rows = group.sequences * batch.sequence;
          const double share = static_cast<double>(valid(part.targets, rows)) / valid(whole.targets, 8 * 7);
          const StepResult each = alone->forward_backward(part, 0.75 * share);
          loss += share * each.loss;
          forward += each.forward;
          backward += each.backward;
          first += group.sequences;
        }
        CHECK_NEAR(result.loss, loss, backend.tolerance * loss);
        CHECK(same(result.forward, forward) && same(result.backward, backward));
        check_tensors(*together, read_all(*together, Role::kGradient), read_all(*alone, Role::kGradient),
                      backend.tolerance);
        const double norm = alone->optimizer_step(optimizer_step(step, step == 1)).gradient_norm;
        CHECK_NEAR(together->optimizer_step(optimizer_step(step, step == 1)).gradient_norm, norm,
                   backend.tolerance * norm);
      }
      // Without gradients: the mean of the losses.
      MicroBatch whole = batch.view();
      whole.groups = &groups;
      const double loss = together->forward(whole, Logits::kNone, nullptr).loss;
      CHECK_NEAR(loss, together->forward_backward(whole, 0).loss, 1e-12 * loss);
    }
  }
}

TEST(model_trains_groups_of_one_subnetwork_like_the_batch) {
  const ModelConfig config = small_config();
  TestBatch batch = make_batch(config, 3, 9);
  batch.subnetwork = small_subnetwork();
  const std::vector<SequenceGroup> groups{{1, *batch.subnetwork}, {2, *batch.subnetwork}};
  for (const Backend& backend : backends()) {
    const auto grouped = make_model(config, backend.options);
    const auto plain = make_model(config, backend.options);
    MicroBatch whole = batch.view();
    whole.groups = &groups;
    const double loss = plain->forward_backward(batch.view(), 1).loss;
    CHECK_NEAR(grouped->forward_backward(whole, 1).loss, loss, backend.tolerance * loss);
    check_tensors(*plain, read_all(*grouped, Role::kGradient), read_all(*plain, Role::kGradient), backend.tolerance);
  }
}

TEST(model_refuses_groups_that_are_not_the_batch) {
  const auto model = make_model(small_config(), on_cpu(""));
  TestBatch batch = make_batch(small_config(), 4, 6);
  const Subnetwork sampled = small_subnetwork();
  const auto run = [&](const std::vector<SequenceGroup>& groups) {
    MicroBatch whole = batch.view();
    whole.groups = &groups;
    model->forward_backward(whole, 1);
  };
  const std::string expected = "groups: expected 4 sequences together, as many as the batch has, received ";
  CHECK_ERROR(ErrorCode::kShape, expected + "3", run({{1, sampled}, {2, {}}}));
  CHECK_ERROR(ErrorCode::kShape, expected + "5", run({{1, sampled}, {4, {}}}));
  CHECK_ERROR(ErrorCode::kShape, expected + "0", run({}));
  CHECK_ERROR(ErrorCode::kShape, "groups[1].sequences: expected at least one, received 0", run({{4, {}}, {0, {}}}));
  Subnetwork bad = sampled;
  bad.layers = {0, 7};
  try {
    run({{2, sampled}, {2, bad}});
    CHECK(!"nothing was thrown");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kShape);
    CHECK(std::string(error.what()).find("groups[1].subnetwork.layers") == 0);
  }
  // Nothing of the refused has come into the gradients.
  const auto undisturbed = make_model(small_config(), on_cpu(""));
  for (const auto& either : {model.get(), undisturbed.get()}) either->forward_backward(batch.view(), 1);
  CHECK(read_all(*model, Role::kGradient) == read_all(*undisturbed, Role::kGradient));
}

}  // namespace burgeon::test
