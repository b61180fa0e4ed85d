// The training loop: a step, and then evaluation, samples, checkpoints and metrics when due. A run is a pure function of
// its configuration and data: interrupted anywhere and resumed, it ends with the same bits. What it leaves behind is
// run-recorder.ts, one step train-step.ts.

import type { Peak } from '../addon/peak.ts';
import { requireObject } from '../config/require.ts';
import { BurgeonError } from '../errors.ts';
import { type Part, partSubnetwork } from '../est/part.ts';
import type { Subnetwork } from '../est/subnetwork.ts';
import { BigramModel } from '../eval/bigram.ts';
import type { Model } from '../model/model.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { DataDescription } from './describe-data.ts';
import type { StepLine } from './metrics.ts';
import { type OpenRun, openRun, releaseRun } from './open-run.ts';
import type { Validation } from './run-recorder.ts';
import type { Due, RunState } from './run-state.ts';
import { type RunSummary, summarise } from './summary.ts';
import { parseTrainConfig, type TrainConfig } from './train-config.ts';
import type { TrainConfigInput } from './train-config-input.ts';
import { trainStep } from './train-step.ts';
import type { TrainerOptions } from './trainer-options.ts';
import { Turns } from './turns.ts';
import type { UnitShares } from './unit-usage.ts';
import type { TrainedPart } from './what-is-trained.ts';

export type { TrainerOptions } from './trainer-options.ts';

/** One optimizer step and what happened after it. */
export interface StepRecord extends Omit<StepLine, 'kind'> {
  validation?: Validation;
  sample?: string;
  /** Directory of the checkpoint written after this step. */
  checkpoint?: string;
}

/**
 * A run: it trains a model as a configuration says, evaluates it, writes metrics and checkpoints into a run directory, and goes on
 * from there with the same bits. `for await (const record of trainer.run())`, then `close()`.
 */
export class Trainer implements AsyncDisposable {
  readonly #given: TrainConfig;
  readonly #options: TrainerOptions;
  #run: OpenRun | undefined;
  #model: Model | undefined;
  #tokenizer: Tokenizer | undefined;
  #state: RunState | undefined;
  #peak: Peak | null | undefined;
  #data: DataDescription | undefined;
  /** The model does one thing at a time. */
  readonly #turns = new Turns();
  #bigramLoss: number | null = null;
  /** Of the run that is over. */
  #lastTrained: Subnetwork | undefined;
  /** Whether weights and moments are those of the last step. */
  #isWhole = true;
  #isOver = false;
  #isClosed = false;

  /**
   * @param config the keys of a configuration file, or a TrainConfig; `parseTrainConfig` makes one of data of any type.
   * @throws {BurgeonError} ERR_BURGEON_CONFIG with one line per problem.
   */
  constructor(config: TrainConfigInput, options: TrainerOptions = {}) {
    requireObject('options of new Trainer()', options);
    this.#given = parseTrainConfig(config);
    this.#options = options;
  }

  /** As given, complete; once open, with what was changed in the run before. */
  get config(): TrainConfig {
    return this.#state?.config ?? this.#given;
  }

  /** The model being trained; available once the trainer is open. Busy during a step: see `withModel`. */
  get model(): Model {
    return this.#opened(this.#model);
  }

  /** Tokenizer of the data, where it is known. */
  get tokenizer(): Tokenizer | undefined {
    return this.#tokenizer;
  }

  /** Completed steps. */
  get step(): number {
    return this.#opened(this.#state).step;
  }

  /** Whether all steps are done, and what is due after the last. */
  get isComplete(): boolean {
    return this.step === this.config.steps && this.#state?.owed === undefined;
  }

  /** Share of the sequences that trained each unit: in the newest step, and in all so far. Only while the run is open. */
  get units(): { step: UnitShares; run: UnitShares } {
    return this.#opened(this.#run).recorder.units;
  }

  /** Peaks of the processor, measured when the trainer was opened; null where it does not compute, or `log.peakFlops` is given. */
  get peak(): Peak | null {
    return this.#opened(this.#peak);
  }

  /** What has been trained so far, or will be first: what validation and samples are of. */
  get part(): Part {
    return this.#opened(this.#run).planner.at(Math.max(0, this.step - 1)).trained;
  }

  /** Totals so far. */
  get summary(): RunSummary {
    return summarise(this.#opened(this.#state), this.#bigramLoss, this.#data);
  }

  /**
   * Opens data, model and run directory; restores the newest intact checkpoint when resuming; evaluates once before the
   * first step. `run` calls it when it was not called before. Does nothing when the run is over.
   * @throws {BurgeonError} ERR_BURGEON_CONFIG, ERR_BURGEON_DATA, ERR_BURGEON_CHECKPOINT, ERR_BURGEON_BUSY,
   *   ERR_BURGEON_OUT_OF_MEMORY. Nothing stays open then.
   */
  async open(): Promise<void> {
    if (this.#isClosed) this.#opened(undefined);
    if (this.#run !== undefined || this.#isOver) return;
    const run = await openRun(this.#given, this.#options);
    this.#run = run;
    this.#data = run.input.description;
    ({ model: this.#model, state: this.#state, tokenizer: this.#tokenizer, peak: this.#peak } = run);
    run.model.busyAdvice = 'it belongs to a Trainer, whose withModel() waits for the end of the step';
  }

  /**
   * Does something with the model between two steps: generates, evaluates, saves. The next step waits for it, and the run comes to the
   * same bits, as long as `work` changes no weights, moments or gradients. May be called at any time while the trainer is open, also
   * when the run is over; calls take turns.
   * @param work gets the model and, as options of `generate` and `forward`, what of it has been trained so far.
   * @throws {BurgeonError} ERR_BURGEON_DISPOSED when the trainer is not open; what `work` throws.
   */
  withModel<Result>(work: (model: Model, trained: TrainedPart) => Promise<Result>): Promise<Result> {
    return this.#turns.take(async () => work(this.model, this.#trained()));
  }

  #trained(): TrainedPart {
    const { sequenceLength } = this.config;
    const { contextLength } = this.model.config;
    return {
      subnetwork: this.#run ? partSubnetwork(this.part, this.model.config) : this.#lastTrained,
      sequenceLength: sequenceLength < contextLength ? sequenceLength : undefined,
    };
  }

  /**
   * Trains to the end of the run, or until the signal; one record per optimizer step. Afterwards data and run directory
   * are free again, a checkpoint of the last step is there (after an error of the last good one, where it can be), and the
   * model and the summary stay until `close`. Breaking
   * out of the loop leaves everything open and saves nothing; calling `run` again goes on.
   * @throws {BurgeonError} as `open`; ERR_BURGEON_NONFINITE when loss or gradient norm is not finite, with what is needed
   *   to replay the step; ERR_BURGEON_CHECKPOINT or ERR_BURGEON_BUSY where the run directory was moved, deleted or taken over;
   *   ERR_BURGEON_DATA where a shard is not what was written.
   */
  async *run(): AsyncGenerator<StepRecord, void, undefined> {
    await this.open();
    if (this.#isOver) return;
    const wasComplete = this.isComplete;
    try {
      yield* this.#steps();
      if (this.#options.bigramBaseline && this.isComplete) this.#bigramLoss = await this.#bigramBaseline();
      const { recorder, lead } = this.#opened(this.#run);
      await lead?.tell({ kind: 'end', isComplete: this.isComplete });
      // Also where a kill came between the last checkpoint and the word of it.
      if (!wasComplete || !recorder.isEnded) recorder.end(this.isComplete ? 'complete' : 'stopped', this.summary);
    } catch (error) {
      await this.#turns.take(() => this.#fail(error));
      await this.#release().catch(() => {}); // The first error is the one to report.
      throw error;
    }
    await this.#release();
  }

  /**
   * Writes a checkpoint of the last step, without an evaluation, once the step under way is done. Does nothing for a step that has
   * one.
   * @returns its directory; undefined where there is none to write.
   * @throws {BurgeonError} ERR_BURGEON_DISPOSED when the run is not open; what a full disk says.
   */
  checkpoint(): Promise<string | undefined> {
    return this.#turns.take(async () => {
      const { saver } = this.#opened(this.#run);
      return saver.isSaved ? undefined : saver.save();
    });
  }

  async *#steps(): AsyncGenerator<StepRecord, void, undefined> {
    const { steps } = this.config;
    const firstStep = this.step;
    const state = this.#opened(this.#state);
    const { signal } = this.#options;
    const { owed } = state;
    if (owed) await this.#turns.take(() => this.#doOwed(owed));
    while (state.step < steps && !signal?.aborted) {
      const record = await this.#turns.take(() => this.#step());
      if (record === undefined) break;
      yield record;
    }
    // The signal came while the consumer held the record of a step that was not saved, or in the step after it.
    await this.checkpoint();
    if (state.step > firstStep && !signal?.aborted) await this.#finishCheck();
  }

  /** A step and what is due after it; undefined where the signal stopped it. */
  async #step(): Promise<StepRecord | undefined> {
    const { config } = this;
    const { input, model, planner, recorder, saver, lead } = this.#opened(this.#run);
    const { loader } = input;
    const { communicator } = this.#options;
    const state = this.#opened(this.#state);
    const { signal, onNote } = this.#options;
    const onChange = () => {
      this.#isWhole = false;
    };
    const onOthersStop = (ranks: readonly number[]) => {
      if (!signal?.aborted) onNote?.(`asked to stop: ${ranks.map((rank) => `rank ${rank}`).join(', ')}`);
    };
    await recorder.requirePlace();
    await this.#requireSoundData();
    await lead?.tell({ kind: 'step', step: state.step });
    const line = await recorder.step((onGroup) =>
      trainStep({ config, model, loader, planner, communicator, signal, onGroup, onChange, onOthersStop }, state.step),
    );
    if (line === undefined) return undefined;
    this.#isWhole = true;
    const isLast = state.step === config.steps;
    if (isDue(config.log.every, state.step) || isLast) recorder.writeStep(line);
    const { kind: _, ...record }: StepLine & StepRecord = line;

    const isSaveDue = isLast || isDue(config.checkpoint.every, state.step);
    // A checkpoint's validation loss decides whether it is the best, so it is taken there too. Not where the clock decides:
    // what is evaluated is a matter of steps alone.
    const evaluates = isSaveDue || isDue(config.evaluation.every, state.step);
    if (evaluates) {
      const validation = await recorder.evaluate();
      if (validation) record.validation = validation;
    }
    if (isDue(config.sample.every, state.step)) {
      const sample = await recorder.sample(this.#opened(this.#tokenizer));
      if (sample !== undefined) record.sample = sample;
    }
    const isStopping = signal?.aborted === true;
    const saves = isSaveDue || isStopping || saver.isTime;
    const endsStage = !isLast && planner.at(state.step).stage.index + 1 !== line.stage;
    if (evaluates || saves || endsStage) recorder.writeTotals();
    if (saves) {
      const loss = record.validation?.loss;
      const checkpoint = isLast || isStopping ? await saver.save(loss) : await saver.trySave(loss);
      if (checkpoint !== undefined) record.checkpoint = checkpoint;
    }
    return record;
  }

  /** Waits until all data are checked, or for the signal: a short run may be over before. */
  async #finishCheck(): Promise<void> {
    const { check, recorder } = this.#opened(this.#run);
    const { signal, onNote } = this.#options;
    if (!check.isDone) {
      onNote?.('all steps are done; the rest of the data is being compared with its hashes');
      const aborted = new Promise<void>((resolve) => {
        signal?.addEventListener('abort', () => resolve(), { once: true });
      });
      await Promise.race([check.done, aborted]);
    }
    if (!check.isDone) recorder.warn('data: stopped before all shards were compared with their hashes');
    await this.#requireSoundData();
  }

  /**
   * Ends the run, with a checkpoint, once a shard turned out to be damaged.
   * @throws {BurgeonError} ERR_BURGEON_DATA naming it.
   */
  async #requireSoundData(): Promise<void> {
    const { failure } = this.#opened(this.#run).check;
    if (failure === undefined) return;
    await this.checkpoint();
    const { step } = this;
    const saved =
      step === 0
        ? 'no step was done'
        : `training stopped after step ${step}, whose checkpoint is in ${this.config.output}; steps of this process may have read the shard, ` +
          'earlier checkpoints are of steps before it';
    throw new BurgeonError(failure.code, `${failure.message}\n${saved}`, { cause: failure });
  }

  /** What was due when the run was stopped. */
  async #doOwed(owed: readonly Due[]): Promise<void> {
    const { recorder, saver } = this.#opened(this.#run);
    const state = this.#opened(this.#state);
    delete state.owed;
    const validation = owed.includes('evaluation') ? await recorder.evaluate() : undefined;
    if (owed.includes('sample') && this.#tokenizer) await recorder.sample(this.#tokenizer);
    // It is owed no longer, and may be the best.
    if (state.owed === undefined) await saver.save(validation?.loss);
  }

  /** Keeps what was trained, and leaves word of what ended the run. */
  async #fail(error: unknown): Promise<void> {
    const { recorder, saver, lead } = this.#opened(this.#run);
    lead?.giveUp(error);
    const attempts = [
      () => saver.saveLastGood(error, { isWhole: this.#isWhole, isHere: this.model.shard === undefined }),
      () => recorder.warn((error as Error).message),
      () => recorder.end('failed', this.summary),
    ];
    for (const attempt of attempts) {
      try {
        await attempt();
      } catch {
        // The first error is the one to report.
      }
    }
  }

  /** Loss on the validation windows of a bigram model fitted on the training data; null without any, or where the signal comes first. */
  async #bigramBaseline(): Promise<number | null> {
    const { train, validation } = this.#opened(this.#run).input;
    if (validation === undefined) return null;
    const { signal } = this.#options;
    try {
      const bigram = await BigramModel.fit(train, { vocabSize: this.model.config.vocabSize, signal });
      return await bigram.loss(validation, signal);
    } catch (error) {
      if (signal?.aborted && error === signal.reason) return null;
      throw error;
    }
  }

  /** Gives data and run directory free; the run cannot go on. */
  async #release(): Promise<void> {
    const run = this.#run;
    if (run) this.#lastTrained = partSubnetwork(this.part, run.model.config);
    this.#run = undefined;
    this.#isOver = true;
    run?.lead?.giveUp('the run was closed');
    if (run) await releaseRun(run);
  }

  /** Closes files and frees the model. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#release();
    this.#model?.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #opened<Part>(part: Part | undefined): Part {
    if (part !== undefined) return part;
    throw new BurgeonError(
      'ERR_BURGEON_DISPOSED',
      'trainer: not open; call open() or run() first, and not after close()',
    );
  }
}

function isDue(every: number, step: number): boolean {
  return every > 0 && step % every === 0;
}
