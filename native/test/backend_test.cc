// Which table of ops a request gets, and the burst that measures the machine's peak.
#include <cmath>
#include <string>

#include "backend/cpu/isa.h"
#include "backend/select.h"
#include "test/op_fixture.h"

namespace burgeon::test {

TEST(backend_is_the_best_that_was_allowed) {
  Selection selection;
  select_ops<float>("cpu", "", &selection);
  CHECK(selection.backend == "cpu" && selection.isa == best_isa());
  CHECK(selection.reason == "best instruction set of this processor");
  CHECK(fast_tables().back().name == best_isa());
  for (const Table& table : fast_tables()) {
    const Ops<float>& ops = select_ops<float>("cpu", table.name, &selection);
    CHECK(&ops == table.ops && table.name == ops.name && selection.isa == table.name);
    if (table.name != best_isa()) CHECK(selection.reason == "limited by BURGEON_MAX_ISA (has " + best_isa() + ")");
  }
  // More than the processor has is no error: the same setting then works on every machine.
  select_ops<float>("cpu", "amx", &selection);
  CHECK(selection.isa == best_isa());
}

TEST(backend_reference_has_no_threads_and_no_burst) {
  Selection selection;
  const Ops<double>& ops = select_ops<double>("reference", "", &selection);
  CHECK(selection.backend == "reference" && selection.isa == "plain" && std::string(ops.name) == "reference");
  CHECK(ops.multiply_burst == nullptr);
}

TEST(backend_without_an_op_is_refused) {
  Selection selection;
  Ops<float> ops = select_ops<float>("cpu", "", &selection);
  require_every_op(ops);  // no gathering: its products take row lists
  ops.compact = true;
  const auto refused = [&](const std::string& op) {
    CHECK_ERROR(ErrorCode::kBackend,
                std::string("backend ") + ops.name + ": expected every op in its table, found no " + op +
                    "; it was built from other sources, build it again",
                require_every_op(ops));
  };
  refused("gather_matrix");
  ops.compact = false;
  ops.swiglu_backward = nullptr;
  refused("swiglu_backward");
}

TEST(backend_burst_stays_in_its_buffer) {
  for (const Table& table : fast_tables()) {
    Selection selection;
    for (const auto burst : {select_ops<float>("cpu", table.name, &selection).multiply_burst,
                             select_ops<bfloat16, float>("cpu", table.name, &selection).multiply_burst}) {
      const Note note(table.name);
      Guarded data(Floats(kBurstFloats, 0.5f));
      const int64_t once = burst(data.data(), 1);
      CHECK(once > 0);
      CHECK(burst(data.data(), 3) == 3 * once);
      CHECK(data.intact());
      for (int64_t i = 0; i < data.size(); ++i) CHECK(std::isfinite(data.data()[i]));
    }
  }
}

}  // namespace burgeon::test
