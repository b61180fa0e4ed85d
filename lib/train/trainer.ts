// The training loop: a step, and then evaluation, samples, checkpoints and metrics when due. A run is a pure function of
// its configuration and data: interrupted anywhere and resumed, it ends with the same bits. What it leaves behind is
// run-recorder.ts, one step train-step.ts.

import { busyNote, measurePeak, type Peak, peakFlops } from '../addon/peak.ts';
import { latestCheckpoint } from '../checkpoint/checkpoint-list.ts';
import type { OpenModelDirectory } from '../checkpoint/model-directory.ts';
import { completeModel } from '../config/model-config.ts';
import { requireObject } from '../config/require.ts';
import type { Dataset } from '../data/dataset.ts';
import { ShardCheck } from '../data/shard-check.ts';
import { BurgeonError } from '../errors.ts';
import type { Part } from '../est/part.ts';
import { BigramModel } from '../eval/bigram.ts';
import type { Model } from '../model/model.ts';
import { createTokenizer } from '../tokenizer/open-tokenizer.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { bestOnPresentWindows } from './best-checkpoint.ts';
import type { Evaluation } from './evaluator.ts';
import { openInitialModel, partNotes } from './initial-model.ts';
import { keepMetricsAside, type MetricsLine, MetricsWriter, type StepLine } from './metrics.ts';
import { findData, openData, type RunInput, readInput } from './open-data.ts';
import { planNotes } from './plan-notes.ts';
import { continueRun, startRun } from './restore.ts';
import { type EnteredRun, enterRunDirectory, type StartMode } from './run-directory.ts';
import { RunPlace } from './run-place.ts';
import { RunRecorder } from './run-recorder.ts';
import type { RunState } from './run-state.ts';
import { StepPlanner } from './step-planner.ts';
import { type RunSummary, summarise } from './summary.ts';
import { promptTokens } from './text-sample.ts';
import { parseTrainConfig, type TrainConfig } from './train-config.ts';
import { trainStep } from './train-step.ts';
import { newUnitSums, type UnitShares } from './unit-usage.ts';

export interface TrainerOptions {
  /** Default 'new'. */
  start?: StartMode;
  /**
   * Keys that are changed on purpose, if the run that is resumed has other values: `['steps', 'optimizer']`. What may change, and
   * what then holds: docs/checkpoint-format.md. Default: none.
   */
  changes?: readonly string[];
  /** Stops after the current step, with a checkpoint written. */
  signal?: AbortSignal;
  /** Ends a complete run with a bigram model fitted on the training data, whose loss the summary then gives. */
  bigramBaseline?: boolean;
  /** Receives notes for people: torn checkpoints passed over, and the like. */
  onNote?: (note: string) => void;
  /** Receives every line of metrics.jsonl once it is in the file. */
  onLine?: (line: MetricsLine) => void;
}

/** One optimizer step and what happened after it. */
export interface StepRecord extends Omit<StepLine, 'kind'> {
  validation?: Evaluation;
  sample?: string;
  /** Directory of the checkpoint written after this step. */
  checkpoint?: string;
}

/** What is open while a run runs. */
interface Run {
  dataset: Dataset;
  input: RunInput;
  /** Of the hashes of the data's shards, under way. */
  check: ShardCheck;
  planner: StepPlanner;
  recorder: RunRecorder;
  directory: EnteredRun;
}

export class Trainer implements AsyncDisposable {
  readonly #given: TrainConfig;
  readonly #options: TrainerOptions;
  #run: Run | undefined;
  #model: Model | undefined;
  #tokenizer: Tokenizer | undefined;
  #state: RunState | undefined;
  #peak: Peak | null | undefined;
  #bigramLoss: number | null = null;
  #savedStep = -1;
  #isOver = false;
  #isClosed = false;

  /**
   * @param config a TrainConfig, complete or with keys left out; see `parseTrainConfig`.
   * @throws {BurgeonError} ERR_BURGEON_CONFIG with one line per problem.
   */
  constructor(config: unknown, options: TrainerOptions = {}) {
    requireObject('options of new Trainer()', options);
    this.#given = parseTrainConfig(config);
    this.#options = options;
  }

  /** As given, complete; once open, with what was changed in the run before. */
  get config(): TrainConfig {
    return this.#state?.config ?? this.#given;
  }

  /** The model being trained; available once the trainer is open. */
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

  /** Whether all steps are done. */
  get isComplete(): boolean {
    return this.step === this.config.steps;
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
    return summarise(this.#opened(this.#state), this.#bigramLoss);
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
    const { config } = this;
    const dataset = await openData(config);
    let directory: EnteredRun | undefined;
    let initial: OpenModelDirectory | undefined;
    let recorder: RunRecorder | undefined;
    const check = new ShardCheck([...(dataset.hashed?.validation ?? []), ...(dataset.hashed?.train ?? [])]);
    try {
      // Everything that can be refused is refused before the run directory is touched.
      if (check.isSmall) await check.finish();
      this.#tokenizer = dataset.tokenizer && createTokenizer(dataset.tokenizer);
      const found = await findData(dataset, config.sequenceLength);
      const newInput = await readInput(dataset, config, this.#tokenizer, { found, windows: 'across' });
      initial = await this.#openInitialModel(dataset);
      const model = initial?.model ?? completeModel(config.model, dataset.vocabSize);
      checkSample(config, this.#tokenizer);
      const { start = 'new', changes = [], signal, onNote } = this.#options;
      directory = await enterRunDirectory(config.output, start, { signal, onNote });
      const notes = [
        ...directory.skipped.map((torn) => `passed over checkpoint ${torn.directory}: ${torn.problem}`),
        ...(initial ? await partNotes(initial) : []),
      ];
      const findings = dataset.findings.map((finding) => `data: ${finding}`);
      for (const note of [...notes, ...findings]) this.#options.onNote?.(note);
      const kept = directory.latest ? undefined : await keepMetricsAside(config.output);
      if (kept) {
        onNote?.(`starting anew: no checkpoint holds the ${kept.step} steps whose metrics are now in ${kept.file}`);
      }
      const context = { config, changes, data: found, tokenizer: this.#tokenizer };
      const { latest } = directory;
      const begun = latest ? await continueRun(context, latest.directory) : await startRun(context, initial ?? model);
      const { state } = begun;
      this.#model = begun.model;
      this.#state = state;
      const windows = state.data?.windows ?? 'across';
      const input =
        windows === 'across' ? newInput : await readInput(dataset, config, this.#tokenizer, { found, windows });
      if (latest) this.#savedStep = state.step;
      const { units = newUnitSums(this.model.config) } = state;
      this.#peak = await this.#measuredPeak(notes);
      const planner = new StepPlanner(this.model.config, state.config);
      recorder = new RunRecorder({
        config: state.config,
        model: this.model,
        state: Object.assign(state, { units }),
        planner,
        metrics: await MetricsWriter.open(config.output, state.step, this.#options.onLine),
        validation: input.validation,
        data: input.description,
        place: new RunPlace(config.output, directory.lock),
        peakFlopsPerSecond: this.#peak && peakFlops(this.#peak, this.model.info.precision),
      });
      this.#run = { dataset, input, check, directory, planner, recorder };
      if (latest && !this.isComplete) await this.#judgeBest(latest.directory);
      // A complete run that is "resumed" trains nothing, and its metrics stay as they are.
      if (!this.isComplete) recorder.start(dataset.train.tokenCount);
      const slips = state.step === 0 ? planNotes(this.model.config, state.config) : [];
      for (const note of [...begun.notes, ...slips]) this.#options.onNote?.(note);
      if (state.step === 0) notes.push(...findings, ...(dataset.warnings ?? []).map((warning) => `data: ${warning}`));
      for (const text of notes) recorder.warn(text);
      if (state.step === 0 && state.initialValidationLoss === null) {
        state.initialValidationLoss = (await recorder.evaluate())?.loss ?? null;
      }
    } catch (error) {
      await recorder?.close();
      this.#run = undefined;
      await check.stop();
      await dataset.close();
      await directory?.leave();
      this.#model?.dispose();
      this.#model = undefined;
      throw error;
    } finally {
      await initial?.close();
    }
  }

  async #measuredPeak(notes: string[]): Promise<Peak | null> {
    const { backend, threads } = this.model.info;
    if (this.config.log.peakFlops !== 'measured' || backend === 'cuda') return null;
    const peak = await measurePeak(threads);
    const busy = busyNote(peak);
    if (busy) {
      notes.push(busy);
      this.#options.onNote?.(busy);
    }
    return peak;
  }

  /** Decides the best checkpoint so far on the validation windows that there are now. */
  async #judgeBest(latest: string): Promise<void> {
    const { planner, input } = this.#opened(this.#run);
    const { validation, description } = input;
    if (!validation || !description.validation) return;
    const { model } = this;
    const { output } = this.config;
    const state = this.#opened(this.#state);
    const evaluatedOn = description.validation.sha256;
    const { best, note } = await bestOnPresentWindows({
      model,
      state,
      planner,
      output,
      latest,
      validation,
      evaluatedOn,
    });
    state.best = best;
    if (note) this.#options.onNote?.(note);
  }

  /** The model to start from; undefined when there is none, or a checkpoint to continue from. */
  async #openInitialModel({ vocabSize }: Dataset): Promise<OpenModelDirectory | undefined> {
    const { config } = this;
    const { start = 'new' } = this.#options;
    if (config.initFrom === undefined) return undefined;
    const resumes = start === 'resume' || start === 'auto';
    if (resumes && (await latestCheckpoint(config.output)).latest !== undefined) return undefined;
    const data = { ...(vocabSize === undefined ? {} : { vocabSize }), tokenizer: this.#tokenizer };
    return openInitialModel(config.initFrom, config, data, start);
  }

  /**
   * Trains to the end of the run, or until the signal; one record per optimizer step. Afterwards data and run directory
   * are free again, a checkpoint of the last step is there, and the model and the summary stay until `close`. Breaking
   * out of the loop leaves everything open and saves nothing; calling `run` again goes on.
   * @throws {BurgeonError} as `open`; ERR_BURGEON_NONFINITE when loss or gradient norm is not finite, with what is needed
   *   to replay the step; ERR_BURGEON_CHECKPOINT or ERR_BURGEON_BUSY where the run directory was moved, deleted or taken over.
   */
  async *run(): AsyncGenerator<StepRecord, void, undefined> {
    await this.open();
    if (this.#isOver) return;
    const wasComplete = this.isComplete;
    try {
      yield* this.#steps();
      if (this.#options.bigramBaseline && this.isComplete) this.#bigramLoss = await this.#bigramBaseline();
      const { recorder } = this.#opened(this.#run);
      if (!wasComplete) recorder.end(this.isComplete ? 'complete' : 'stopped', this.summary);
    } catch (error) {
      this.#fail(error);
      await this.#release();
      throw error;
    }
    await this.#release();
  }

  /**
   * Writes a checkpoint of the last step now, without an evaluation; between steps only: while the consumer of `run` holds
   * a record. Does nothing for a step that has one.
   * @returns its directory; undefined where there is none to write.
   * @throws {BurgeonError} ERR_BURGEON_DISPOSED when the run is not open; what a full disk says.
   */
  async checkpoint(): Promise<string | undefined> {
    this.#opened(this.#run);
    if (this.step === 0 || this.#savedStep === this.step) return undefined;
    return this.#save(undefined);
  }

  async *#steps(): AsyncGenerator<StepRecord, void, undefined> {
    const { config } = this;
    const { input, planner, recorder } = this.#opened(this.#run);
    const { model } = this;
    const { loader } = input;
    const firstStep = this.step;
    const state = this.#opened(this.#state);
    const { signal } = this.#options;
    while (state.step < config.steps && !signal?.aborted) {
      await recorder.requirePlace();
      await this.#requireSoundData();
      const line = await recorder.step((onGroup) => trainStep({ config, model, loader, planner, onGroup }, state.step));
      if (state.step === 1) await this.#opened(this.#run).directory.begun();
      const isLast = state.step === config.steps;
      if (isDue(config.log.every, state.step) || isLast) recorder.writeStep(line);
      const { kind: _, ...record }: StepLine & StepRecord = line;

      const saves = isLast || isDue(config.checkpoint.every, state.step) || signal?.aborted === true;
      // A checkpoint's validation loss decides whether it is the best, so it is taken there too; not when in a hurry.
      const evaluates = isLast || isDue(config.evaluation.every, state.step) || (saves && !signal?.aborted);
      if (evaluates) {
        const validation = await recorder.evaluate();
        if (validation) record.validation = validation;
      }
      if (isDue(config.sample.every, state.step) && !signal?.aborted) {
        record.sample = await recorder.sample(this.#opened(this.#tokenizer));
      }
      const endsStage = !isLast && planner.at(state.step).stage.index + 1 !== line.stage;
      if (evaluates || saves || endsStage) recorder.writeTotals();
      if (saves) record.checkpoint = await this.#save(record.validation?.loss);
      yield record;
    }
    // The signal came while the consumer held the record of a step that was not saved.
    await this.checkpoint();
    if (state.step > firstStep && !signal?.aborted) await this.#finishCheck();
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

  async #save(validationLoss: number | undefined): Promise<string> {
    const directory = await this.#opened(this.#run).recorder.checkpoint(validationLoss);
    this.#savedStep = this.step;
    return directory;
  }

  /** Leaves word of what ended the run. */
  #fail(error: unknown): void {
    try {
      const { recorder } = this.#opened(this.#run);
      recorder.warn((error as Error).message);
      recorder.end('failed', this.summary);
    } catch {
      // The first error is the one to report.
    }
  }

  /** Loss on the validation windows of a bigram model fitted on the training data. */
  async #bigramBaseline(): Promise<number | null> {
    const { train, validation } = this.#opened(this.#run).input;
    if (validation === undefined) return null;
    const bigram = await BigramModel.fit(train, { vocabSize: this.model.config.vocabSize });
    return bigram.loss(validation);
  }

  /** Gives data and run directory free; the run cannot go on. */
  async #release(): Promise<void> {
    const run = this.#run;
    this.#run = undefined;
    this.#isOver = true;
    await run?.recorder.close();
    await run?.check.stop();
    await run?.dataset.close();
    await run?.directory.leave();
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

/** Finds out before training, not at the first sample. */
function checkSample({ sample }: TrainConfig, tokenizer: Tokenizer | undefined): void {
  if (sample.every === 0) return;
  if (tokenizer === undefined) {
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      'sample.every: expected 0, because the tokenizer of these token files is not known; use data.directory of a prepared data set to sample text',
    );
  }
  try {
    promptTokens(tokenizer, sample.prompt);
  } catch (cause) {
    throw new BurgeonError('ERR_BURGEON_CONFIG', `sample.prompt: ${(cause as Error).message}`, { cause });
  }
}

function isDue(every: number, step: number): boolean {
  return every > 0 && step % every === 0;
}
