// Timed ops: they compute what untimed ones do, note every call in order, and the multiply-adds they note add up. Those
// that are queued on a device are timed there, launched one by one.
#include <algorithm>
#include <cstring>

#include "test/model_fixture.h"

namespace burgeon::test {

TEST(timed_ops_change_nothing_and_note_everything) {
  for (const ModelConfig& config : small_architectures()) {
    TestBatch group = make_batch(config, 2, 6);
    group.subnetwork = small_subnetwork();
    std::vector<ModelOptions> backends{on_reference(), on_reference(false)};
    for (const Table& table : fast_tables()) backends.push_back(on_cpu(table.name, 2));
    backends.push_back({{"cuda", "", Precision::kFloat32, BURGEON_CUDA_HOST_LIBRARY}});
    for (ModelOptions options : backends) {
      const Note note(name_of(config) + ", " + options.backend + " " + options.max_isa);
      const auto plain = make_model(config, options);
      options.profile = true;
      const auto timed = make_model(config, options);
      const StepResult expected = plain->forward_backward(group.view(), 1);
      const StepResult result = timed->forward_backward(group.view(), 1);
      CHECK(result.loss == expected.loss);
      CHECK(plain->optimizer_step(optimizer_step()).gradient_norm ==
            timed->optimizer_step(optimizer_step()).gradient_norm);
      CHECK(read_all(*plain, Role::kWeight) == read_all(*timed, Role::kWeight));

      const std::vector<OpEvent> events = timed->take_profile();
      CHECK(!events.empty());
      CHECK(plain->take_profile().empty());
      CHECK(timed->take_profile().empty());
      // Of a device, times since a mark are in float; a microsecond is more than they lose.
      const int64_t rounding = options.backend == "cuda" ? 1000 : 0;
      int64_t noted = 0;
      int64_t end = 0;
      for (const OpEvent& event : events) {
        CHECK(event.start_ns >= end - rounding && event.duration_ns >= 0);
        end = event.start_ns + event.duration_ns;
        noted += event.multiply_adds;
      }
      const auto all = [](const Work& work) {
        return work.qkv + work.scores + work.out_projection + work.mlp + work.head;
      };
      CHECK(noted == all(result.forward) + all(result.backward));

      const auto name = [](const OpEvent& event) { return timed_op_names()[static_cast<size_t>(event.op)]; };
      // Before it, where products take gathered weights, these are gathered.
      const auto first = std::find_if(events.begin(), events.end(), [&](const OpEvent& event) {
        return std::strncmp(name(event), "gather_", 7) != 0;
      });
      CHECK(std::strcmp(name(*first), "embedding_forward") == 0);
      CHECK((first->sizes == std::array<int64_t, 5>{2, 6, config.n_embd, 0, 0}));
      CHECK((first == events.begin()) == (options.backend != "cuda"));
      CHECK(std::strcmp(name(events.back()), "adamw") == 0);
    }
  }
}

}  // namespace burgeon::test
