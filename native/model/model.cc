#include "model/model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "core/bfloat16.h"
#include "core/collectives.h"
#include "core/error.h"
#include "core/thread_pool.h"
#include "model/add_run.h"
#include "model/gradient_sums.h"
#include "model/pending_losses.h"
#include "model/recordings.h"
#include "model/shard_exchange.h"
#include "model/text_cache.h"
#include "model/workspace.h"

namespace burgeon {

namespace {

int64_t bits_of(double value) {
  int64_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

// The sign of what is no number means nothing.
std::string text_of(double value) { return std::isnan(value) ? "nan" : std::to_string(value); }

template <class T, class W>
class TypedModel final : public Model {
  using M = Master<T>;
  static constexpr ActivationShape kUpdateShape{1, 1, false, {1, 1, 1, 1}};

 public:
  TypedModel(const ModelConfig& config, const ModelOptions& options)
      : Model(config, options),
        backend_(options.profile ? time_ops(select_backend<T, W>(options, &selection_), &timed_)
                                 : select_backend<T, W>(options, &selection_)),
        ops_(*backend_.ops),
        device_(*backend_.device),
        parameters_(config, device_, options.shards),
        operands_(config, ops_, checked(parameters_), device_),
        workspace_(config_, ops_, device_, options.threads, options.shards),
        text_(device_),
        groups_(config),
        touched_(config),
        trained_(config),
        trained_plan_(config),
        pool_(options.threads),
        context_{&pool_, nullptr, nullptr, 0, 0, device_.queue(), &timed_.log},
        // What is recorded runs as one, and its ops cannot be told apart.
        recordings_(device_, options.graphs && !options.profile),
        losses_(device_),
        sums_(parameters_, device_),
        exchange_(parameters_, device_, sums_.rows()),
        step_(config_, ops_, device_, parameters_, operands_, workspace_.activations(), context_),
        update_(config_, ops_, device_, parameters_, operands_, context_) {
    require_optimizer(config_, ops_);
    require_shards(config_, options.shards);
    if (options.batch > 0) {
      workspace_.check({options.batch * options.sequence, options.sequence, true, whole_extent(config)});
    }
    parameters_.allocate();
    operands_.allocate();
    update_.allocate(parameters_.bytes() + operands_.bytes());
  }

  int element_size() const override { return sizeof(M); }
  const std::vector<Tensor>& tensors() const override { return parameters_.tensors(); }
  size_t parameter_bytes() const override { return parameters_.bytes() + operands_.bytes(); }
  std::string links() const override { return sums_.rows().links(); }
  size_t activation_bytes() const override {
    return workspace_.bytes() + text_.bytes() + sums_.bytes() + update_.bytes();
  }

  size_t plan_bytes(int64_t batch, int64_t sequence, bool gradients) const override {
    return workspace_.bytes_of(batch, sequence, gradients);
  }

  void read(Role role, size_t index, int64_t row, int64_t rows, void* data) override {
    if (role == Role::kGradient) operands_.add_gradients(context_);
    const Tensor& tensor = parameters_.tensors().at(index);
    parameters_.require_here(role, tensor);
    const M* from = parameters_.row(role, tensor, row);
    device_.read(data, from, static_cast<size_t>(rows * tensor.cols) * sizeof(M));
  }

  void write(Role role, size_t index, int64_t row, int64_t rows, const void* data) override {
    const Tensor& tensor = parameters_.tensors().at(index);
    parameters_.require_here(role, tensor);
    if (role == Role::kGradient) {
      operands_.add_gradients(context_);
      operands_.expect_master_gradients();
      touched_.add(tensor, row, rows);
    }
    M* to = parameters_.row(role, tensor, row);
    device_.write(to, data, static_cast<size_t>(rows * tensor.cols) * sizeof(M));
    if (role == Role::kWeight) operands_.invalidate();
  }

  StepResult forward(const MicroBatch& batch, Logits which, void* logits) override {
    const int64_t valid = prepare(batch, false);
    StepResult result;
    M* out = static_cast<M*>(logits);
    if (which == Logits::kNone && batch.targets) {
      queue(0, &result);
      result.loss = step_.mean_loss(groups_.whole(), valid);
      return result;
    }
    step_.embed(groups_.whole());
    for (size_t g = 0; g < groups_.count(); ++g) {
      operands_.prepare(context_, groups_.plan(g));
      step_.forward(groups_.range(g), groups_.plan(g), &result.forward);
    }
    if (which == Logits::kLast) step_.last_logits(groups_.whole(), out, &result.forward);
    if (batch.targets) {
      M* all = which == Logits::kAll ? out : nullptr;
      step_.loss(groups_.whole(), 0, all, &result.forward, &result.backward);
      result.loss = step_.mean_loss(groups_.whole(), valid);
    } else if (which == Logits::kAll) {
      step_.all_logits(groups_.whole(), out, &result.forward);
    }
    return result;
  }

  StepResult extend(const MicroBatch& batch, int64_t past, int64_t capacity, void* logits) override {
    if (past == 0) {
      capacity = std::min(std::max(capacity, batch.sequence), config_.context_length);
      text_.begin(config_, batch.batch, capacity, parameter_bytes() + workspace_.bytes());
    }
    if (past != text_.length() || batch.batch != text_.batch() || batch.sequence > text_.capacity() - past) {
      throw Error(ErrorCode::kShape, "past: expected tokens that follow the " + std::to_string(text_.length()) +
                                         " of " + std::to_string(text_.batch()) + " sequences read before, within " +
                                         std::to_string(text_.capacity()) + " positions, received " +
                                         shape_text(batch.batch, batch.sequence) + " after " + std::to_string(past));
    }
    // Positions up to the capacity have their rotations and scratch.
    prepare(batch, false, text_.capacity());
    StepResult result;
    const SequenceRange range{batch.batch, batch.sequence, past};
    operands_.prepare(context_, groups_.plan(0));
    step_.embed(range);
    step_.forward(range, groups_.plan(0), &result.forward, &text_.layers());
    step_.last_logits(range, static_cast<M*>(logits), &result.forward);
    text_.advance(batch.sequence);
    return result;
  }

  StepResult forward_backward(const MicroBatch& batch, double weight) override {
    int64_t valid;
    StepResult result = queue_gradients(batch, weight, &valid);
    result.loss = step_.mean_loss(groups_.whole(), valid);
    check_loss(result.loss);
    return result;
  }

  StepResult accumulate(const MicroBatch& batch, double weight) override {
    int64_t valid;
    StepResult result = queue_gradients(batch, weight, &valid);
    const Activations<T, W>& a = workspace_.activations();
    losses_.add(a.losses, groups_.whole().rows(), valid, a.kept_losses, a.kept_rows);
    result.loss = std::numeric_limits<double>::quiet_NaN();
    return result;
  }

  std::vector<double> take_losses() override { return losses_.take(); }

  void check_losses(const std::vector<double>& losses) override {
    for (size_t i = 0; i < losses.size(); ++i) {
      check_loss(losses[i], losses.size() > 1 ? "micro-batch " + std::to_string(i) + ": " : "");
    }
  }

  void fold_gradients(int64_t merges, bool keeps) override {
    operands_.add_gradients(context_);
    for (int64_t i = 0; i < merges; ++i) {
      if (!sums_.has_kept()) {
        throw Error(ErrorCode::kShape, "merges: expected no more sums than were kept, received " +
                                           std::to_string(merges) + ", kept were " + std::to_string(i));
      }
      sums_.merge([&](M* to, const M* from, int64_t count) { add_run(ops_, context_, to, from, count); });
    }
    if (keeps) {
      sums_.keep(touched_);
      operands_.drop_gradients();
    }
  }

  void exchange_gradients(Communicator& ranks, int64_t micro_batches) override {
    operands_.add_gradients(context_);
    try {
      if (parameters_.shards().divides()) exchange_.check(ranks);
      sums_.exchange(ranks, micro_batches, touched_,
                     [&](M* to, const M* from, int64_t count) { add_run(ops_, context_, to, from, count); });
      if (parameters_.shards().divides()) {
        reserve(kUpdateShape);
        std::vector<double>& squares = update_.sum_squares(touched_, workspace_.activations().sums);
        sum_over(ranks, squares.data(), static_cast<int64_t>(squares.size()), &received_, "the norm of the gradient");
      }
    } catch (const Error&) {
      clear_gradients();  // of which some are sums and some are not
      throw;
    }
    operands_.expect_master_gradients();
  }

  void broadcast_state(Communicator& ranks) override {
    sums_.rows().link(ranks);
    exchange_.broadcast(ranks);
    operands_.invalidate();
  }

  void gather_weights(Communicator& ranks) override {
    exchange_.gather_weights(ranks);
    operands_.invalidate();
  }

  void gather_rows(Communicator& ranks, Role role, size_t index, int64_t row, int64_t rows, void* data) override {
    exchange_.gather_rows(ranks, role, parameters_.tensors().at(index), row, rows, static_cast<M*>(data));
  }

  void scatter_rows(Communicator& ranks, Role role, size_t index, int64_t row, int64_t rows, void* data) override {
    exchange_.scatter_rows(ranks, role, parameters_.tensors().at(index), row, rows, static_cast<M*>(data));
  }

  UpdateResult optimizer_step(const OptimizerStep& step, const Subnetwork* trained) override {
    require_folded();
    reserve(kUpdateShape);  // the update uses scratch, and may be the first call of all
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
    TouchedUnits* const updated = trained ? &trained_ : nullptr;
    if (parameters_.shards().divides()) {
      if (!update_.has_squares()) {
        throw Error(
            ErrorCode::kShape,
            "gradients: expected their sums over all ranks, as moments are divided over ranks; exchange them first");
      }
      exchange_.expect_weights(step.freeze ? &touched_ : updated);
    }
    const UpdateResult result = update_.run(step, touched_, updated, workspace_.activations().sums);
    if (!std::isfinite(result.gradient_norm)) {
      clear_gradients();
      throw Error(ErrorCode::kNonfinite, "gradient norm: expected a finite number, computed " +
                                             text_of(result.gradient_norm) +
                                             "; the weights were left as they were and the gradients cleared");
    }
    return result;
  }

  void clear_gradients() override {
    parameters_.clear_gradients();
    operands_.drop_gradients();
    touched_.clear();
    losses_.drop();
    sums_.drop();
    update_.drop_squares();
    exchange_.drop();
  }

  void copy_rows(const std::vector<RowCopy>& copies, Communicator* ranks) override {
    operands_.add_gradients(context_);
    burgeon::copy_rows(copies, parameters_, device_, exchange_, ranks);
    operands_.invalidate();
  }

  std::vector<OpEvent> take_profile() override { return timed_.log.take(); }

 private:
  // Everything of a micro-batch, its losses included.
  StepResult queue_gradients(const MicroBatch& batch, double weight, int64_t* valid) {
    *valid = prepare(batch, true);
    for (size_t g = 0; g < groups_.count(); ++g) touched_.add(groups_.plan(g));
    StepResult result;
    queue(static_cast<M>(weight / static_cast<double>(*valid)), &result);
    return result;
  }

  void require_folded() const {
    if (!sums_.has_kept()) return;
    throw Error(
        ErrorCode::kShape,
        "gradients: expected none kept aside, found sums that were not merged; fold them in first, or clear them");
  }

  void check_loss(double loss, const std::string& where = "") {
    if (std::isfinite(loss)) return;
    clear_gradients();
    throw Error(ErrorCode::kNonfinite, where + "loss: expected a finite number, computed " + text_of(loss) +
                                           "; the gradients were cleared. A lower learning rate, more warm-up steps "
                                           "or gradient clipping usually help");
  }

  // A prepared micro-batch as far as its losses, and with gradient_scale != 0 its gradients: forward through the
  // groups, the loss of all, and back through the groups, the last one first. Cut into parts where the operands change,
  // which is nowhere with one group.
  void queue(M gradient_scale, StepResult* result) {
    const bool adds = gradient_scale != 0;
    const size_t last = groups_.count() - 1;
    const size_t parts = adds ? 2 * last + 1 : last + 1;
    for (size_t part = 0; part < parts; ++part) {
      const size_t g = part <= last ? part : 2 * last - part;
      operands_.prepare(context_, groups_.plan(g));
      const bool goes_back = adds && part >= last;
      const bool assigns = goes_back && operands_.begin_gradients();
      describe(part, g, gradient_scale, assigns);
      recordings_.run(kind_, &result->forward, &result->backward, &result->kernels, [&](Work* forward, Work* backward) {
        if (part == 0) step_.embed(groups_.whole());
        if (part <= last) step_.forward(groups_.range(g), groups_.plan(g), forward);
        if (part == last) step_.loss(groups_.whole(), gradient_scale, nullptr, forward, backward);
        if (goes_back) step_.backward(groups_.range(g), groups_.plan(g), backward);
        if (goes_back && g == 0) step_.embed_backward(groups_.whole());
      });
    }
  }

  // Everything that what a part of a micro-batch queues depends on.
  void describe(size_t part, size_t g, M gradient_scale, bool assigns) {
    const SequenceRange& range = groups_.range(g);
    const SubnetworkPlan& plan = groups_.plan(g);
    kind_ = {static_cast<int64_t>(part),
             static_cast<int64_t>(groups_.count()),
             groups_.whole().batch,
             range.batch,
             range.first,
             range.sequence,
             bits_of(gradient_scale),
             assigns,
             plan.nested()};
    for (const ActiveLayer& active : plan.layers()) {
      kind_.insert(kind_.end(), {active.heads, active.kv_heads, active.neurons, bits_of(active.layer_scale),
                                 bits_of(active.head_scale), bits_of(active.neuron_scale)});
    }
  }

  // Validates a micro-batch, cuts it into groups, makes room for it and for positions up to `positions`, and copies it
  // in. Returns the number of targets that count.
  int64_t prepare(const MicroBatch& batch, bool gradients, int64_t positions = 0) {
    if (exchange_.expects_weights()) {
      throw Error(ErrorCode::kShape, "weights: expected those of all ranks, found an update that is not exchanged yet");
    }
    const int64_t valid = groups_.assign(batch);
    const int64_t count = groups_.whole().rows();
    reserve({count, std::max(batch.sequence, positions), gradients, groups_.extent()});
    write_tokens(batch.tokens, count, gradients);
    if (batch.targets) {
      device_.write(workspace_.activations().targets, batch.targets, static_cast<size_t>(count) * sizeof(int32_t));
    }
    context_.multiply_adds = 0;
    return valid;
  }

  void reserve(const ActivationShape& shape) {
    const size_t held = parameters_.bytes() + operands_.bytes() + update_.bytes();
    if (!workspace_.planned().covers(shape)) losses_.collect();
    if (!workspace_.reserve(shape, held)) return;
    recordings_.forget();
    const int64_t rows = workspace_.planned().rows;
    if (ops_.order_tokens) {
      ordered_.reserve(static_cast<size_t>(rows + ops_.token_order_words(rows)));
      counts_.resize(static_cast<size_t>(config_.vocab_size + 1));
    }
    step_.reserve(rows);
    update_.reserve();
    context_.shared_scratch = workspace_.activations().shared_scratch;
    context_.thread_scratch = workspace_.activations().thread_scratch;
    context_.thread_scratch_bytes = workspace_.thread_scratch_bytes();
  }

  // Before time is spent on what grows with the model.
  static const Parameters<M>& checked(const Parameters<M>& parameters) {
    parameters.check();
    return parameters;
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
    device_.write(workspace_.activations().tokens, from, static_cast<size_t>(words) * sizeof(int32_t));
  }

  TimedOps<T, W> timed_;  // used only where ops are timed
  const Backend<T, W> backend_;
  const Ops<T, W>& ops_;
  Device& device_;
  Parameters<M> parameters_;
  Operands<T, W> operands_;
  Workspace<T, W> workspace_;
  TextCache<T> text_;
  GroupPlans groups_;  // of the present micro-batch
  TouchedUnits touched_;
  TouchedUnits trained_;  // what any step so far has trained, and its plan; used where that is not all
  SubnetworkPlan trained_plan_;
  ThreadPool pool_;
  OpContext context_;
  Recordings recordings_;
  PendingLosses<M> losses_;
  GradientSums<M> sums_;
  ShardExchange<M> exchange_;
  Step<T, W> step_;
  Update<T, W> update_;
  std::vector<int64_t> kind_;     // of the present part of the micro-batch
  std::vector<int32_t> ordered_;  // tokens and their order, on their way to the device
  std::vector<int32_t> counts_;
  std::vector<double> received_;
};

}  // namespace

MemoryPlan Model::plan(const ModelConfig& config, const ModelOptions& options, int64_t batch, int64_t sequence,
                       const Extent& part) {
  const ActivationShape shape{batch * sequence, sequence, true, part};
  return with_types(options, [&](auto t, auto w) {
    const auto& ops = find_ops<decltype(t), decltype(w)>(options);
    require_optimizer(config, ops);
    require_shards(config, options.shards);
    return plan_memory(config, ops, options.threads, shape, options.shards);
  });
}

std::unique_ptr<Model> Model::create(const ModelConfig& config, const ModelOptions& options) {
  return with_types(options, [&](auto t, auto w) -> std::unique_ptr<Model> {
    return std::make_unique<TypedModel<decltype(t), decltype(w)>>(config, options);
  });
}

}  // namespace burgeon
