#include "model/model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <utility>

#include "core/bfloat16.h"
#include "core/error.h"
#include "core/thread_pool.h"
#include "model/recordings.h"
#include "model/text_cache.h"

namespace burgeon {

namespace {

std::string shape_of(int64_t batch, int64_t sequence) {
  return "(B=" + std::to_string(batch) + ", T=" + std::to_string(sequence) + ")";
}

void check_tokens(const char* name, const int32_t* values, int64_t count, int64_t vocab, int32_t lowest) {
  for (int64_t i = 0; i < count; ++i) {
    if (values[i] >= lowest && values[i] < vocab) continue;
    throw Error(ErrorCode::kData, std::string(name) + "[" + std::to_string(i) + "]: expected a token in [" +
                                      std::to_string(lowest) + ", " + std::to_string(vocab) + "), received " +
                                      std::to_string(values[i]));
  }
}

int64_t bits_of(double value) {
  int64_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

template <class T, class W>
class TypedModel final : public Model {
  using M = Master<T>;

 public:
  TypedModel(const ModelConfig& config, const ModelOptions& options)
      : Model(config, options),
        backend_(options.profile ? time_ops(select_backend<T, W>(options, &selection_), &timed_)
                                 : select_backend<T, W>(options, &selection_)),
        ops_(*backend_.ops),
        device_(*backend_.device),
        parameters_(config, device_),
        operands_(config, ops_, checked(parameters_), device_),
        text_(device_),
        touched_(config),
        trained_(config),
        trained_plan_(config),
        pool_(options.threads),
        context_{&pool_, nullptr, nullptr, 0, 0, device_.queue(), &timed_.log},
        recordings_(device_, options.graphs),
        step_(config_, ops_, device_, parameters_, operands_, activations_, context_),
        update_(ops_, device_, parameters_, operands_, context_) {
    if (options.batch > 0) {
      check_room({options.batch * options.sequence, options.sequence, true, whole_extent(config)});
    }
    parameters_.allocate();
    operands_.allocate();
  }

  int element_size() const override { return sizeof(M); }
  const std::vector<Tensor>& tensors() const override { return parameters_.tensors(); }
  size_t parameter_bytes() const override { return parameters_.bytes() + operands_.bytes(); }
  size_t activation_bytes() const override { return arena_.size() + text_.bytes(); }

  size_t plan_bytes(int64_t batch, int64_t sequence, bool gradients) const override {
    // Beyond any machine, and small enough that no size below overflows.
    constexpr int64_t kMaxRows = int64_t{1} << 28;
    if (batch > kMaxRows / sequence) {
      throw Error(ErrorCode::kShape, "batch: expected at most " + std::to_string(kMaxRows) + " tokens, received " +
                                         shape_of(batch, sequence));
    }
    const ActivationShape shape{batch * sequence, sequence, gradients, whole_extent(config_)};
    Activations<T, W> measured;
    size_t scratch_bytes;
    return plan_activations(config_, shape, ops_, threads_, nullptr, &measured, &scratch_bytes);
  }

  void read(Role role, size_t index, int64_t row, int64_t rows, void* data) override {
    if (role == Role::kGradient) operands_.add_gradients(context_);
    const Tensor& tensor = parameters_.tensors().at(index);
    const M* from = parameters_.data(role, tensor) + row * tensor.cols;
    device_.read(data, from, static_cast<size_t>(rows * tensor.cols) * sizeof(M));
  }

  void write(Role role, size_t index, int64_t row, int64_t rows, const void* data) override {
    const Tensor& tensor = parameters_.tensors().at(index);
    if (role == Role::kGradient) {
      operands_.add_gradients(context_);
      operands_.expect_master_gradients();
      touched_.add(tensor, row, rows);
    }
    M* to = parameters_.data(role, tensor) + row * tensor.cols;
    device_.write(to, data, static_cast<size_t>(rows * tensor.cols) * sizeof(M));
    if (role == Role::kWeight) operands_.invalidate();
  }

  StepResult forward(const Batch& batch, Logits which, void* logits) override {
    const int64_t valid = prepare(batch, false);
    StepResult result;
    M* out = static_cast<M*>(logits);
    if (which == Logits::kNone && batch.targets) {
      queue(0, &result);
      result.loss = step_.mean_loss(whole_, valid);
      return result;
    }
    step_.embed(whole_);
    for (size_t g = 0; g < groups_.size(); ++g) {
      operands_.prepare(context_, plans_[g]);
      step_.forward(groups_[g], plans_[g], &result.forward);
    }
    if (which == Logits::kLast) step_.last_logits(whole_, out, &result.forward);
    if (batch.targets) {
      M* all = which == Logits::kAll ? out : nullptr;
      step_.loss(whole_, 0, all, &result.forward, &result.backward);
      result.loss = step_.mean_loss(whole_, valid);
    } else if (which == Logits::kAll) {
      step_.all_logits(whole_, out, &result.forward);
    }
    return result;
  }

  StepResult extend(const Batch& batch, int64_t past, int64_t capacity, void* logits) override {
    if (past == 0) {
      capacity = std::min(std::max(capacity, batch.sequence), config_.context_length);
      text_.begin(config_, batch.batch, capacity, parameter_bytes() + arena_.size());
    }
    if (past != text_.length() || batch.batch != text_.batch() || batch.sequence > text_.capacity() - past) {
      throw Error(ErrorCode::kShape, "past: expected tokens that follow the " + std::to_string(text_.length()) +
                                         " of " + std::to_string(text_.batch()) + " sequences read before, within " +
                                         std::to_string(text_.capacity()) + " positions, received " +
                                         shape_of(batch.batch, batch.sequence) + " after " + std::to_string(past));
    }
    // Positions up to the capacity have their rotations and scratch.
    prepare(batch, false, text_.capacity());
    StepResult result;
    const Group group{batch.batch, batch.sequence, past};
    operands_.prepare(context_, plans_[0]);
    step_.embed(group);
    step_.forward(group, plans_[0], &result.forward, &text_.layers());
    step_.last_logits(group, static_cast<M*>(logits), &result.forward);
    text_.advance(batch.sequence);
    return result;
  }

  StepResult forward_backward(const Batch& batch, double weight) override {
    const int64_t valid = prepare(batch, true);
    for (size_t g = 0; g < groups_.size(); ++g) touched_.add(plans_[g]);
    StepResult result;
    const M gradient_scale = static_cast<M>(weight / static_cast<double>(valid));
    queue(gradient_scale, &result);
    result.loss = step_.mean_loss(whole_, valid);
    if (!std::isfinite(result.loss)) {
      clear_gradients();
      throw Error(ErrorCode::kNonfinite, "loss: expected a finite number, computed " + std::to_string(result.loss) +
                                             "; the gradients were cleared. A lower learning rate, more warm-up steps "
                                             "or gradient clipping usually help");
    }
    return result;
  }

  double optimizer_step(const OptimizerStep& step, const Subnetwork* trained) override {
    reserve({1, 1, false, {1, 1, 1, 1}});  // the update uses scratch, and may be the first call of all
    if (trained) {
      trained_plan_.assign(*trained);
      trained_.clear();
      trained_.add(trained_plan_);
      if (!trained_.covers(touched_)) {
        throw Error(
            ErrorCode::kShape,
            "trained: expected every unit that has gradients, received fewer; name all that any step has trained");
      }
    }
    const double norm = update_.run(step, touched_, trained ? &trained_ : nullptr, activations_.sums);
    if (!std::isfinite(norm)) {
      clear_gradients();
      throw Error(ErrorCode::kNonfinite, "gradient norm: expected a finite number, computed " + std::to_string(norm) +
                                             "; the weights were left as they were and the gradients cleared");
    }
    return norm;
  }

  void clear_gradients() override {
    parameters_.clear_gradients();
    operands_.drop_gradients();
    touched_.clear();
  }

  void copy_rows(const std::vector<RowCopy>& copies) override {
    for (size_t i = 0; i < copies.size(); ++i) check_copy(copies[i], "copies[" + std::to_string(i) + "]");
    operands_.add_gradients(context_);
    for (const RowCopy& copy : copies) {
      copy_rows(Role::kWeight, copy, copy.weight);
      copy_rows(Role::kState0, copy, copy.moment1);
      copy_rows(Role::kState1, copy, copy.moment2);
    }
    operands_.invalidate();
  }

  std::vector<OpEvent> take_profile() override { return std::exchange(timed_.log.events, {}); }

 private:
  // A prepared micro-batch as far as its losses, and with gradient_scale != 0 its gradients: forward through the
  // groups, the loss of all, and back through the groups, the last one first. Cut into parts where the operands change,
  // which is nowhere with one group.
  void queue(M gradient_scale, StepResult* result) {
    const bool adds = gradient_scale != 0;
    const size_t last = groups_.size() - 1;
    const size_t parts = adds ? 2 * last + 1 : last + 1;
    for (size_t part = 0; part < parts; ++part) {
      const size_t g = part <= last ? part : 2 * last - part;
      operands_.prepare(context_, plans_[g]);
      const bool goes_back = adds && part >= last;
      const bool assigns = goes_back && operands_.begin_gradients();
      describe(part, g, gradient_scale, assigns);
      recordings_.run(kind_, &result->forward, &result->backward, &result->kernels, [&](Work* forward, Work* backward) {
        if (part == 0) step_.embed(whole_);
        if (part <= last) step_.forward(groups_[g], plans_[g], forward);
        if (part == last) step_.loss(whole_, gradient_scale, nullptr, forward, backward);
        if (goes_back) step_.backward(groups_[g], plans_[g], backward);
        if (goes_back && g == 0) step_.embed_backward(whole_);
      });
    }
  }

  // Everything that what a part of a micro-batch queues depends on.
  void describe(size_t part, size_t g, M gradient_scale, bool assigns) {
    const Group& group = groups_[g];
    const SubnetworkPlan& plan = plans_[g];
    kind_ = {static_cast<int64_t>(part),
             static_cast<int64_t>(groups_.size()),
             whole_.batch,
             group.batch,
             group.first,
             group.sequence,
             bits_of(gradient_scale),
             assigns,
             plan.nested()};
    for (const ActiveLayer& active : plan.layers()) {
      kind_.insert(kind_.end(), {active.heads, active.kv_heads, active.neurons, bits_of(active.layer_scale),
                                 bits_of(active.head_scale), bits_of(active.neuron_scale)});
    }
  }

  // Validates a batch, makes room for it and for positions up to `positions`, cuts it into groups and copies it in.
  // Returns the number of targets that count.
  int64_t prepare(const Batch& batch, bool gradients, int64_t positions = 0) {
    if (batch.batch < 1 || batch.sequence < 1 || batch.sequence > config_.context_length) {
      throw Error(ErrorCode::kShape, "tokens: expected B >= 1 and 1 <= T <= " + std::to_string(config_.context_length) +
                                         " (the model's context length), received " +
                                         shape_of(batch.batch, batch.sequence));
    }
    const int64_t count = batch.batch * batch.sequence;
    check_tokens("tokens", batch.tokens, count, config_.vocab_size, 0);
    int64_t valid = 0;
    if (batch.targets) {
      check_tokens("targets", batch.targets, count, config_.vocab_size, -1);
      valid = count - std::count(batch.targets, batch.targets + count, -1);
      if (valid == 0) {
        throw Error(ErrorCode::kData, "targets: expected at least one target that is not -1, received none");
      }
    }
    divide(batch);
    ActivationShape shape{count, std::max(batch.sequence, positions), gradients, {}};
    for (size_t g = 0; g < groups_.size(); ++g) shape = shape.joined({0, 0, false, plans_[g].extent()});
    reserve(shape);
    write_tokens(batch.tokens, count, gradients);
    if (batch.targets) {
      device_.write(activations_.targets, batch.targets, static_cast<size_t>(count) * sizeof(int32_t));
    }
    context_.multiply_adds = 0;
    return valid;
  }

  // Fills whole_, groups_ and their plans.
  void divide(const Batch& batch) {
    whole_ = {batch.batch, batch.sequence};
    groups_.clear();
    while (plans_.size() < batch.groups->size()) plans_.emplace_back(config_);
    if (batch.groups->size() == 1 && batch.groups->front().sequences == 0) {
      plans_[0].assign(batch.groups->front().subnetwork);
      groups_.push_back(whole_);
      return;
    }
    int64_t first = 0;
    for (const SequenceGroup& group : *batch.groups) {
      const auto name = [&] { return "groups[" + std::to_string(groups_.size()) + "]."; };
      if (group.sequences < 1) {
        throw Error(ErrorCode::kShape,
                    name() + "sequences: expected at least one, received " + std::to_string(group.sequences));
      }
      try {
        plans_[groups_.size()].assign(group.subnetwork);
      } catch (const Error& error) {
        throw Error(error.code(), name() + error.what());
      }
      groups_.push_back({group.sequences, batch.sequence, 0, first});
      first += group.sequences;
    }
    if (first != batch.batch) {
      throw Error(ErrorCode::kShape, "groups: expected " + std::to_string(batch.batch) +
                                         " sequences together, as many as the batch has, received " +
                                         std::to_string(first));
    }
  }

  void check_copy(const RowCopy& copy, const std::string& name) const {
    const auto check = [&](const char* what, size_t index, int64_t row) {
      const std::vector<Tensor>& tensors = parameters_.tensors();
      if (index < tensors.size() && row >= 0 && copy.rows >= 1 && copy.rows <= tensors[index].rows - row) return;
      throw Error(ErrorCode::kShape, name + what + ": expected rows of one of the " + std::to_string(tensors.size()) +
                                         " tensors, received " + std::to_string(copy.rows) + " from " +
                                         std::to_string(row) + " on of tensor " + std::to_string(index));
    };
    check(".to", copy.to, copy.to_row);
    check(".from", copy.from, copy.from_row);
    if (parameters_.tensors()[copy.to].cols == parameters_.tensors()[copy.from].cols) return;
    throw Error(ErrorCode::kShape, name + ": expected tensors with as many columns, received " +
                                       parameters_.tensors()[copy.from].name + " and " +
                                       parameters_.tensors()[copy.to].name);
  }

  void copy_rows(Role role, const RowCopy& copy, double factor) {
    const Tensor& tensor = parameters_.tensors()[copy.to];
    M* to = parameters_.data(role, tensor) + copy.to_row * tensor.cols;
    const M* from = parameters_.data(role, parameters_.tensors()[copy.from]) + copy.from_row * tensor.cols;
    const size_t count = static_cast<size_t>(copy.rows * tensor.cols);
    if (factor == 0) {
      device_.clear(to, count * sizeof(M));
    } else if (factor != 1) {
      // Few and seldom: through the host, whose arithmetic is the same for every device.
      std::vector<M> values(count);
      device_.read(values.data(), from, count * sizeof(M));
      for (M& value : values) value = static_cast<M>(value * factor);
      device_.write(to, values.data(), count * sizeof(M));
    } else if (to != from) {
      device_.copy(to, from, count * sizeof(M));
    }
  }

  // Activations are planned once for the largest shape seen; a larger one replans.
  void reserve(const ActivationShape& shape) {
    if (planned_.covers(shape)) return;
    const ActivationShape grown = shape.joined(planned_);
    check_room(grown);
    arena_ = Arena();
    planned_ = ActivationShape();
    recordings_.forget();
    const size_t bytes =
        plan_activations(config_, grown, ops_, threads_, nullptr, &activations_, &context_.thread_scratch_bytes);
    arena_ = Arena(device_, bytes, "activations", parameters_.bytes() + operands_.bytes());
    plan_activations(config_, grown, ops_, threads_, arena_.data(), &activations_, &context_.thread_scratch_bytes);
    if (activations_.rope) {
      const std::vector<M> table = rope_table<M>(config_, grown.sequence);
      device_.write(activations_.rope, table.data(), table.size() * sizeof(M));
    }
    if (ops_.order_tokens) {
      ordered_.reserve(static_cast<size_t>(grown.rows + ops_.token_order_words(grown.rows)));
      counts_.resize(static_cast<size_t>(config_.vocab_size + 1));
    }
    step_.reserve(grown.rows);
    update_.reserve();
    planned_ = grown;
    context_.shared_scratch = activations_.shared_scratch;
    context_.thread_scratch = activations_.thread_scratch;
  }

  // Before time is spent on what grows with the model.
  static const Parameters<M>& checked(const Parameters<M>& parameters) {
    parameters.check();
    return parameters;
  }

  void check_room(const ActivationShape& shape) const {
    check_memory(config_, ops_, threads_, shape, {device_.capacity(), device_.name()});
  }

  // With the order that the gradient of the embedding wants.
  void write_tokens(const int32_t* tokens, int64_t count, bool gradients) {
    const int32_t* from = tokens;
    int64_t words = count;
    if (gradients && ops_.order_tokens) {
      words += ops_.token_order_words(count);
      ordered_.assign(tokens, tokens + count);
      ordered_.resize(static_cast<size_t>(words));
      ops_.order_tokens(ordered_.data() + count, tokens, count, counts_.data(), config_.vocab_size);
      from = ordered_.data();
    }
    device_.write(activations_.tokens, from, static_cast<size_t>(words) * sizeof(int32_t));
  }

  TimedOps<T, W> timed_;  // used only where ops are timed
  const Backend<T, W> backend_;
  const Ops<T, W>& ops_;
  Device& device_;
  Parameters<M> parameters_;
  Operands<T, W> operands_;
  Arena arena_;
  TextCache<T> text_;
  Activations<T, W> activations_;
  ActivationShape planned_;
  // The present micro-batch, and its groups with their subnetworks; there may be more plans than groups.
  Group whole_{};
  std::vector<Group> groups_;
  std::deque<SubnetworkPlan> plans_;  // stay where they are, as they point into themselves
  TouchedUnits touched_;
  TouchedUnits trained_;  // what any step so far has trained, and its plan; used where that is not all
  SubnetworkPlan trained_plan_;
  ThreadPool pool_;
  OpContext context_;
  Recordings recordings_;
  Step<T, W> step_;
  Update<T, W> update_;
  std::vector<int64_t> kind_;     // of the present part of the micro-batch
  std::vector<int32_t> ordered_;  // tokens and their order, on their way to the device
  std::vector<int32_t> counts_;
};

}  // namespace

MemoryPlan Model::plan(const ModelConfig& config, const ModelOptions& options, int64_t batch, int64_t sequence,
                       const Extent& part) {
  const ActivationShape shape{batch * sequence, sequence, true, part};
  return with_types(options, [&](auto t, auto w) {
    return plan_memory(config, find_ops<decltype(t), decltype(w)>(options), options.threads, shape);
  });
}

std::unique_ptr<Model> Model::create(const ModelConfig& config, const ModelOptions& options) {
  return with_types(options, [&](auto t, auto w) -> std::unique_ptr<Model> {
    return std::make_unique<TypedModel<decltype(t), decltype(w)>>(config, options);
  });
}

}  // namespace burgeon
