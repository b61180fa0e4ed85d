// One model with everything it owns, as a typed object around the native handle: names and layouts are Hugging Face's,
// errors are BurgeonErrors, everything that computes returns a Promise. One call at a time per model.

import type { NativeMicroBatch, NativeModel, NativeOpEvent, NativeStepResult, Role } from '../addon/binding.ts';
import { roles } from '../addon/binding.ts';
import { loadAddon, native, nativeSync } from '../addon/load.ts';
import { findModel } from '../checkpoint/find-model.ts';
import { type ModelContents, requireContents, writeModelDirectory } from '../checkpoint/model-directory.ts';
import { openModel } from '../checkpoint/open-model.ts';
import { newSpecialIds, type SpecialIds } from '../checkpoint/special-ids.ts';
import { type ModelConfig, parseModelConfig } from '../config/model-config.ts';
import type { ModelConfigInput } from '../config/model-config-input.ts';
import { requireText } from '../config/require.ts';
import { BurgeonError } from '../errors.ts';
import { CounterRng } from '../est/rng.ts';
import { type Moment, momentsOf, type OptimizerType } from '../optim/optimizer.ts';
import type { Communicator } from '../ranks/communicator.ts';
import type { Fold, RankOf } from '../ranks/shares.ts';
import { batchShape, readPrompt, requireMoment, requireOneOf, requireOptions, sizeOf } from './arguments.ts';
import { type CompleteOptions, completeOptions, continueText } from './continue-text.ts';
import { type Growth, growthCopies } from './grow.ts';
import { initialValues } from './initialise.ts';
import { copySubnetwork, nativeGroups } from './native-group.ts';
import { chooseOptimizer, nativeConfig, nativeOptions } from './native-options.ts';
import { nativeOptimizerStep } from './optimizer-step.ts';
import type {
  BackwardOptions,
  CreateOptions,
  ForwardOptions,
  ForwardResult,
  GenerateOptions,
  ModelOptions,
  OptimizerOptions,
  StepResult,
  TensorData,
  UpdateResult,
} from './options.ts';
import { findView, fromEngine, type TensorView, toEngine, viewTensors } from './tensor-views.ts';

const generationStream = 0x6e7;

/** A model with all it owns: weights, gradients, the optimizer's moments, activations and threads. One call at a time. */
export class Model implements Disposable {
  readonly config: Readonly<ModelConfig>;
  readonly tokenizerFiles: Readonly<Record<string, string>>;
  readonly endOfText: number | undefined;
  /** What `save` writes of special tokens, as it was read or by `endOfText`. */
  readonly specialIds: SpecialIds;
  readonly optimizer: OptimizerType;
  readonly #native: NativeModel;
  readonly #tensors: ReadonlyMap<string, TensorView>;
  /** The rank that this is, where moments are divided over ranks. */
  readonly shard: RankOf | undefined;
  /** Number of optimizer steps taken: AdamW's bias correction depends on it. Restore it after restoring moments. */
  optimizerSteps = 0;
  /** What to do where it is busy. @internal */
  busyAdvice = 'await its promise first';
  #running: string | undefined;

  private constructor(config: ModelConfig, options: CreateOptions) {
    const { NativeModel } = loadAddon().binding;
    this.config = Object.freeze({ ...config });
    this.tokenizerFiles = options.tokenizerFiles ?? {};
    this.endOfText = options.endOfText;
    this.specialIds = options.specialIds ?? newSpecialIds(options.endOfText);
    this.optimizer = chooseOptimizer(options.optimizer);
    this.shard = options.shard && options.shard.size > 1 ? { ...options.shard } : undefined;
    this.#native = new NativeModel(nativeConfig(config, this.optimizer), nativeOptions(options));
    this.#tensors = new Map(viewTensors(config, this.#native.tensors()).map((view) => [view.name, view]));
  }

  /**
   * A new model with initial weights drawn from the seed.
   * @param config a preset's name, `{preset, ...overrides}`, or a ModelConfig, which `parseModelConfig` makes of data of any type.
   * @throws {BurgeonError} ERR_BURGEON_CONFIG, ERR_BURGEON_BACKEND, ERR_BURGEON_OUT_OF_MEMORY.
   */
  static async create(config: ModelConfigInput, options: CreateOptions = {}): Promise<Model> {
    requireOptions('Model.create()', options);
    const model = await Model.#allocate(parseModelConfig(config), options);
    try {
      let position = 0;
      for (const tensor of model.#tensors.values()) {
        const values = initialValues(tensor, position++, model.config.nLayer, options.seed ?? 1);
        await model.setParameter(tensor.name, values);
        // Large models take seconds; let the event loop turn between tensors.
        if (sizeOf(tensor.shape) > 1 << 20) await new Promise(setImmediate);
      }
      return model;
    } catch (error) {
      model.dispose();
      throw error;
    }
  }

  /**
   * A model from a Hugging Face GPT-2, Llama or Qwen2 directory, a directory written by `save`, a checkpoint (without its
   * optimizer), a run directory (its newest intact checkpoint), or a model_*.bin of llm.c. Of a checkpoint of a run that still grows,
   * `whatIsTrained` says which part was trained.
   * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT naming the file and what is wrong with it.
   */
  static async load(directory: string, options: ModelOptions = {}): Promise<Model> {
    requireOptions('Model.load()', options);
    requireText('directory', directory, 'the path of a model');
    const source = await openModel(await findModel(directory));
    try {
      return await Model.fromContents(source, options);
    } finally {
      await source.close();
    }
  }

  /** A model with weights read from `contents`, for example an opened checkpoint. */
  static async fromContents(contents: ModelContents, options: ModelOptions = {}): Promise<Model> {
    requireContents(contents);
    requireOptions('Model.fromContents()', options);
    const { tokenizerFiles, endOfText, specialIds } = contents;
    const model = await Model.#allocate(contents.model, { ...options, tokenizerFiles, endOfText, specialIds });
    try {
      for (const name of model.tensorNames) await model.setParameter(name, await contents.readTensor(name));
      return model;
    } catch (error) {
      model.dispose();
      throw error;
    }
  }

  static #allocate(config: ModelConfig, options: CreateOptions): Promise<Model> {
    return native(() => new Model(config, options));
  }

  /** Names of all tensors, Hugging Face's without `transformer.` or `model.` prefix. */
  get tensorNames(): string[] {
    return [...this.#tensors.keys()];
  }

  /** Shape of a tensor in Hugging Face's layout. @throws {BurgeonError} ERR_BURGEON_CONFIG for an unknown name. */
  shape(name: string): readonly number[] {
    return [...this.#view(name).shape];
  }

  /** Backend, instruction set, threads and bytes held. @throws {BurgeonError} ERR_BURGEON_DISPOSED. */
  get info() {
    return nativeSync(() => this.#native.info());
  }

  /**
   * The ops called since the last time, where the model was made with `profile`.
   * @throws {BurgeonError} ERR_BURGEON_BUSY, ERR_BURGEON_DISPOSED.
   * @internal
   */
  takeProfile(): NativeOpEvent[] {
    return nativeSync(() => this.#native.takeProfile());
  }

  /**
   * Bytes of activations that a batch of this shape takes; they are taken at its first use.
   * @throws {BurgeonError} ERR_BURGEON_CONFIG, ERR_BURGEON_BUSY, ERR_BURGEON_DISPOSED.
   */
  planBytes(batchSize: number, sequenceLength: number, gradients = true): number {
    return nativeSync(() => this.#native.planBytes(batchSize, sequenceLength, gradients));
  }

  /**
   * Runs the (sub)network.
   * @param tokens (B, T) row-major, each in [0, V).
   * @throws {BurgeonError} ERR_BURGEON_SHAPE, ERR_BURGEON_DTYPE, ERR_BURGEON_DATA, ERR_BURGEON_BUSY,
   *   ERR_BURGEON_DISPOSED, ERR_BURGEON_OUT_OF_MEMORY.
   */
  forward(tokens: Int32Array, options: ForwardOptions = {}): Promise<ForwardResult> {
    return this.#exclusively('forward()', () => this.#forward(tokens, options), options);
  }

  /**
   * Adds weight * gradient of the mean loss of a batch, computed on the given subnetwork, or on one for each group of sequences.
   * @param tokens (B, T) row-major, each in [0, V).
   * @param targets likewise; -1 is ignored.
   * @throws {BurgeonError} as `forward`, and ERR_BURGEON_NONFINITE when the loss is not a finite number: the gradients
   *   are then cleared.
   */
  forwardBackward(tokens: Int32Array, targets: Int32Array, options: BackwardOptions = {}): Promise<StepResult> {
    return this.#train('forwardBackward', tokens, targets, options);
  }

  /**
   * As `forwardBackward`, but resolves as soon as the work is queued: a GPU goes on with the next micro-batch at once. The losses
   * of all since the last update are in the result of the next `optimizerStep`, in order; `clearGradients` forgets them.
   * @returns what was computed, without its loss; `ms` is the time to queue it on a GPU, all of it on the CPU.
   * @throws {BurgeonError} as `forward`. A loss that is not a finite number is an error of `optimizerStep`, before it updates.
   */
  async accumulate(
    tokens: Int32Array,
    targets: Int32Array,
    options: BackwardOptions = {},
  ): Promise<Omit<StepResult, 'loss'>> {
    const { loss: _, ...result } = await this.#train('accumulate', tokens, targets, options);
    return result;
  }

  #train(method: 'forwardBackward' | 'accumulate', tokens: Int32Array, targets: Int32Array, options: BackwardOptions) {
    const work = () => {
      const { subnetwork, groups } = options;
      if (subnetwork && groups) {
        throw new BurgeonError(
          'ERR_BURGEON_CONFIG',
          'groups: expected instead of subnetwork, received beside it; give every group its own',
        );
      }
      return this.#native[method](this.#batch(tokens, targets, options), options.weight ?? 1);
    };
    return this.#exclusively(`${method}()`, work, options);
  }

  /**
   * One update from the gradients added since the last, which it consumes and clears.
   * @param communicator the ranks that moments are divided over, after `exchangeGradients`: all have all new weights then.
   * @throws {BurgeonError} ERR_BURGEON_CONFIG, ERR_BURGEON_BUSY, ERR_BURGEON_DISPOSED; ERR_BURGEON_NONFINITE when one of
   *   the losses or the norm is not finite: weights stay, gradients are cleared.
   */
  optimizerStep(options: OptimizerOptions, communicator?: Communicator): Promise<UpdateResult> {
    return this.#exclusively('optimizerStep()', async () => {
      const step = nativeOptimizerStep(this.config, options, this.optimizerSteps + 1);
      const result = await this.#native.optimizerStep(step);
      if (this.shard && communicator) await this.#native.gatherWeights(communicator.native);
      this.optimizerSteps++;
      return result;
    });
  }

  /** Mean losses of what was accumulated since the last update, in order, finite or not. */
  takeLosses(): Promise<number[]> {
    return this.#exclusively('takeLosses()', () => this.#native.takeLosses());
  }

  /**
   * After a micro-batch: adds `merges` sums of gradients kept before, the newest first, and keeps the result aside or not
   * (lib/ranks/shares.ts). @throws {BurgeonError} ERR_BURGEON_SHAPE where fewer were kept; ERR_BURGEON_OUT_OF_MEMORY.
   */
  foldGradients({ merges, keeps }: Fold): Promise<void> {
    return this.#exclusively('foldGradients()', () => this.#native.foldGradients(merges, keeps));
  }

  /** Replaces gradients by their sums over all ranks and `microBatches` (`shard`: of own rows). @throws {BurgeonError} ERR_BURGEON_RANKS, ERR_BURGEON_SHAPE; they are then cleared. */
  exchangeGradients(ranks: Communicator, microBatches = ranks.size): Promise<void> {
    return this.#exclusively('exchangeGradients()', () => this.#native.exchangeGradients(ranks.native, microBatches));
  }

  /**
   * Gives all ranks the weights, steps and (without `shard`) moments of rank 0, and links their GPUs.
   * @throws {BurgeonError} ERR_BURGEON_RANKS, ERR_BURGEON_CUDA.
   */
  broadcastState(communicator: Communicator): Promise<void> {
    return this.#exclusively('broadcastState()', async () => {
      this.optimizerSteps = await communicator.broadcast(this.optimizerSteps, 'the number of steps');
      await this.#native.broadcastState(communicator.native);
    });
  }

  /** Forgets the gradients added since the last optimizer step. */
  clearGradients(): Promise<void> {
    return this.#exclusively('clearGradients()', () => this.#native.clearGradients());
  }

  /**
   * Prepares units that are to be trained for the first time: copies of others, or as they are (lib/est/transition.ts). Weights and
   * moments are copied where they live.
   * @param communicator the other ranks, where moments are divided over them; all grow alike.
   * @throws {BurgeonError} ERR_BURGEON_SHAPE for parts that are not of this model, or become smaller; ERR_BURGEON_CONFIG,
   *   ERR_BURGEON_BUSY, ERR_BURGEON_DISPOSED.
   */
  grow(growth: Growth, communicator?: Communicator): Promise<void> {
    return this.#exclusively('grow()', () => {
      const copies = growthCopies(this.config, this.#native.tensors(), growth);
      return this.#native.copyRows(copies, this.shard && communicator?.native);
    });
  }

  /** A copy of a tensor in Hugging Face's layout. @throws {BurgeonError} ERR_BURGEON_CONFIG for an unknown name. */
  parameter(name: string): Promise<TensorData> {
    return this.#exclusively('parameter()', () => this.#read('weight', this.#view(name)));
  }

  /** A copy of a tensor's accumulated gradient, likewise; zero for what no group touched. */
  gradient(name: string): Promise<TensorData> {
    return this.#exclusively('gradient()', () => this.#read('gradient', this.#view(name)));
  }

  /** Replaces a tensor; `data` is in Hugging Face's layout, any array of numbers of the right length. */
  setParameter(name: string, data: ArrayLike<number>): Promise<void> {
    return this.#exclusively('setParameter()', () => this.#write('weight', this.#view(name), data));
  }

  /**
   * Replaces the accumulated gradient of a tensor, as `setParameter` the tensor. The next `optimizerStep` takes it as one that
   * was computed: it counts in the norm, and its rows are updated whatever `inactive` says.
   */
  setGradient(name: string, data: ArrayLike<number>): Promise<void> {
    return this.#exclusively('setGradient()', () => this.#write('gradient', this.#view(name), data));
  }

  /** What the optimizer keeps of a tensor: with Muon, matrices of layers have no second moment. */
  moments(name: string): readonly Moment[] {
    return momentsOf(this.optimizer, this.#view(name));
  }

  /**
   * A copy of the first ('m') or second ('v') moment of a tensor, in Hugging Face's layout.
   * @param communicator the ranks that moments are divided over, which all call this at the same time.
   */
  moment(name: string, which: Moment, communicator?: Communicator): Promise<TensorData> {
    return this.#exclusively('moment()', async () => {
      const [view, role] = [this.#view(name), requireMoment(which, this, name)];
      if (!this.shard || !communicator) return this.#read(role, view);
      return fromEngine(view, await this.#native.gatherRows(communicator.native, roles[role], ...view.place));
    });
  }

  /** Replaces a moment, as `setParameter` a tensor. @param communicator as of `moment`; the data of rank 0 count then. */
  setMoment(name: string, which: Moment, data?: ArrayLike<number>, communicator?: Communicator): Promise<void> {
    return this.#exclusively('setMoment()', async () => {
      const [view, role] = [this.#view(name), requireMoment(which, this, name)];
      if (!this.shard || !communicator) return this.#write(role, view, data!);
      const stored = data && toEngine(view, data, this.info.precision);
      await this.#native.scatterRows(communicator.native, roles[role], ...view.place, stored);
    });
  }

  /** What a model directory or checkpoint holds of this model; tensors are copied when read. */
  contents(): ModelContents {
    return {
      model: this.config,
      endOfText: this.endOfText,
      specialIds: this.specialIds,
      tokenizerFiles: this.tokenizerFiles,
      readTensor: async (name) => Float32Array.from(await native(() => this.#read('weight', this.#view(name)))),
    };
  }

  /**
   * Writes a directory that burgeon and transformers load: all of it or, if anything fails, nothing.
   * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT.
   */
  save(directory: string): Promise<void> {
    return this.#exclusively('save()', () => {
      requireText('directory', directory, 'the path of a directory to write');
      return writeModelDirectory(directory, this.contents());
    });
  }

  /**
   * Continues a prompt, token by token: `for await (const token of model.generate(prompt))`. Keys and values of earlier
   * tokens are kept, so that each new one costs one token's work. Where prompt and text outgrow a sequence, the newest
   * three quarters of it are read again. The model is busy from the first token until the iteration ends.
   * @param prompt at least one token, each in [0, V), copied; as many of the newest as a sequence has count.
   * @throws {BurgeonError} ERR_BURGEON_CONFIG or ERR_BURGEON_DATA for arguments; with the token, as `forward`, and
   *   ERR_BURGEON_NONFINITE when a logit is not finite.
   */
  generate(prompt: ArrayLike<number>, options: GenerateOptions = {}): AsyncGenerator<number, void, undefined> {
    requireOptions('generate()', options);
    const complete = completeOptions(options, this.config.contextLength);
    const rng = new CounterRng(options.seed ?? 1, generationStream);
    const subnetwork = copySubnetwork(options.subnetwork);
    return this.#generate(readPrompt(prompt, this.config.vocabSize), rng, { ...complete, subnetwork });
  }

  async *#generate(prompt: number[], rng: CounterRng, options: CompleteOptions) {
    const release = this.#claim('generate()', options);
    try {
      const { subnetwork } = options;
      yield* continueText(prompt, rng, options, (added, past, capacity) =>
        native(() => this.#native.extend(this.#batch(added, null, { subnetwork }), past, capacity)),
      );
    } finally {
      release();
    }
  }

  /** Frees the native memory, once work in flight has ended. Later calls reject with ERR_BURGEON_DISPOSED. */
  dispose(): void {
    this.#native.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /**
   * Runs one call of ours, which may be several native ones: so the guard is here and not only in the addon.
   * @param options the caller's, to check.
   */
  async #exclusively<Result>(
    name: string,
    work: () => Result | Promise<Result>,
    options: object = {},
  ): Promise<Result> {
    const release = this.#claim(name, options);
    try {
      return await native(work);
    } finally {
      release();
    }
  }

  /** Makes the model busy with the call `name`; returns what ends that. */
  #claim(name: string, options: object): () => void {
    if (this.#running !== undefined) {
      throw new BurgeonError(
        'ERR_BURGEON_BUSY',
        `model: ${name} was called while ${this.#running} is still running; ${this.busyAdvice}`,
      );
    }
    this.#running = name;
    const release = () => {
      this.#running = undefined;
    };
    try {
      // Reading them may run code of the caller's, to which the model is busy.
      requireOptions(name, options);
      return release;
    } catch (error) {
      release();
      throw error;
    }
  }

  #forward(tokens: Int32Array, options: ForwardOptions): Promise<NativeStepResult> {
    const logits = options.logits && requireOneOf('logits', ['last', 'all'], options.logits);
    const batch = this.#batch(tokens, options.targets ?? null, options);
    return this.#native.forward(batch, logits === 'all' ? 2 : logits === 'last' ? 1 : 0);
  }

  #batch(tokens: Int32Array, targets: Int32Array | null, options: BackwardOptions): NativeMicroBatch {
    const { batchSize, sequenceLength } = batchShape(tokens, options.batchSize);
    return { tokens, targets, batchSize, sequenceLength, groups: nativeGroups(this.config, batchSize, options) };
  }

  #view(name: string): TensorView {
    return findView(this.#tensors, name, this.config);
  }

  #read(role: Role, view: TensorView): TensorData {
    return fromEngine(view, this.#native.read(roles[role], ...view.place));
  }

  #write(role: Role, view: TensorView, data: ArrayLike<number>): void {
    this.#native.write(roles[role], ...view.place, toEngine(view, data, this.info.precision));
  }
}
