// What a run leaves behind: lines of metrics, totals, evaluations, samples and checkpoints. The trainer decides when; this
// does it and keeps the books.

import { describeHost } from '../addon/host.ts';
import { pruneCheckpoints } from '../checkpoint/checkpoint-list.ts';
import type { FixedBatch } from '../data/fixed-windows.ts';
import { allFlops, blockFlops, countFlops } from '../est/flops.ts';
import { countParameters } from '../est/parameters.ts';
import { isWhole, type PartSize, partSize } from '../est/part.ts';
import type { Subnetwork } from '../est/subnetwork.ts';
import type { Model } from '../model/model.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { bitsPerByte, type DataDescription } from './describe-data.ts';
import { type Evaluation, evaluate } from './evaluator.ts';
import type { Lead } from './lead.ts';
import { MemoryGauge } from './memory-gauge.ts';
import type { EndLine, MetricsWriter, StepLine } from './metrics.ts';
import { saveRun } from './restore.ts';
import type { RunPlace } from './run-place.ts';
import { addToTotals, type Due, type RunState, spentBy } from './run-state.ts';
import type { StepPlan, StepPlanner } from './step-planner.ts';
import type { RunSummary } from './summary.ts';
import { sampleText } from './text-sample.ts';
import type { TrainConfig } from './train-config.ts';
import { replayable, type StepOutcome } from './train-step.ts';
import { type UnitShares, UnitUsage } from './unit-usage.ts';

/** Of the validation windows. */
export interface Validation extends Evaluation {
  /** The loss in bits per UTF-8 byte of their text; null without a tokenizer. */
  bitsPerByte: number | null;
}

export interface RecordedRun {
  config: TrainConfig;
  model: Model;
  /** Goes on with the run; what is recorded is added to it. */
  state: RunState & Required<Pick<RunState, 'units'>>;
  planner: StepPlanner;
  metrics: MetricsWriter;
  /** The same windows at every evaluation. */
  validation: AsyncIterable<FixedBatch> | undefined;
  /** Stops evaluations and samples. */
  signal?: AbortSignal | undefined;
  /** Of the other ranks, which evaluate with this one. */
  lead: Lead | undefined;
  /** Absent where the signal came before they were read. */
  data: DataDescription | undefined;
  place: RunPlace;
  /** Receives notes for people. */
  onNote?: ((note: string) => void) | undefined;
  /** Measured; null where it was not, and `log.peakFlops` says. */
  peakFlopsPerSecond: number | null;
}

export class RunRecorder {
  readonly #run: RecordedRun;
  readonly #units: UnitUsage;
  readonly #memory = new MemoryGauge();

  constructor(run: RecordedRun) {
    this.#run = run;
    this.#units = new UnitUsage(run.model.config, run.state.units);
  }

  /** Share of the sequences that trained each unit: in the newest step, and in all so far. */
  get units(): { step: UnitShares; run: UnitShares } {
    const { step, run } = this.#units;
    return { step, run };
  }

  /** A process begins the run or goes on with it. */
  start(dataTokens: number): void {
    const { config, data, model, metrics, state, lead } = this.#run;
    const { backend, isa, threads, precision } = model.info;
    metrics.write({
      kind: 'start',
      step: state.step,
      time: new Date().toISOString(),
      config,
      model: model.config,
      parameters: countParameters(model.config).total,
      dataTokens,
      ...(data && { data }),
      host: describeHost(),
      ...{ backend, isa, threads, precision },
      ...(lead && { ranks: lead.communicator.size }),
      peakFlopsPerSecond: this.#peakFlops,
      peakFrom: config.log.peakFlops === 'measured' ? 'measured' : 'declared',
    });
    // The changes of this step come again whenever the run goes on from it, as lines of a killed process may be lost.
    for (const change of state.changes.filter((made) => made.step === state.step)) {
      metrics.write({ kind: 'change', ...change });
    }
  }

  /** Does what follows the writing of the checkpoint that the run goes on from, where a kill came before it. */
  async findAgain(directory: string, isComplete: boolean): Promise<void> {
    const { metrics, state } = this.#run;
    const { hasCheckpoint, hasEnd } = metrics.found;
    if (!hasCheckpoint) metrics.write({ kind: 'checkpoint', step: state.step, directory });
    // Of a run that goes on, the next checkpoint will; one that an error ended keeps the older ones until then.
    if (isComplete && !hasEnd) await this.#prune();
  }

  /** Whether the metrics said, when they were opened, that the run is complete. */
  get isEnded(): boolean {
    return this.#run.metrics.found.hasEnd;
  }

  warn(text: string): void {
    const { metrics, state } = this.#run;
    metrics.write({ kind: 'warning', step: state.step, text });
  }

  /**
   * Does a step, told what its groups train, and counts it.
   * @returns undefined where it was stopped before its end.
   */
  async step(
    work: (onGroup: (subnetwork: Subnetwork | undefined, weight: number) => void) => Promise<StepOutcome | undefined>,
  ): Promise<StepLine | undefined> {
    const { config, model, state } = this.#run;
    const start = performance.now();
    this.#units.begin();
    const done = await work((subnetwork, weight) => this.#units.add(subnetwork, weight));
    if (done === undefined) return undefined;
    this.#units.end();
    const ms = performance.now() - start;
    const peakFlops = this.#peakFlops;
    const { sequenceLength: T } = config;
    const sequences = config.batchSize * config.accumulationSteps;
    const dense = countFlops(model.config, { batchSize: sequences, sequenceLength: T });
    state.step++;
    state.tokens += sequences * T;
    const { isDense, ...outcome } = done;
    const line: StepLine = {
      kind: 'step',
      step: state.step,
      ...outcome,
      tokens: state.tokens,
      tokensPerSecond: (sequences * T) / (ms / 1000),
      denseBlockFlops: blockFlops(dense),
      denseAllFlops: allFlops(dense),
      mfu: peakFlops === null ? null : done.allFlops / (ms / 1000) / peakFlops,
      ms,
      executedBlockFlops: 0,
      executedFlops: 0,
      trainSeconds: 0,
      rssBytes: this.#memory.bytes,
    };
    addToTotals(state.stages, { ...line, isDense });
    return Object.assign(line, spentBy(state));
  }

  writeStep(line: StepLine): void {
    this.#run.metrics.write(line);
  }

  writeTotals(): void {
    const { metrics, state } = this.#run;
    metrics.write({ kind: 'totals', step: state.step, stages: structuredClone(state.stages), units: this.units });
  }

  /** Loss on the validation windows of what has been trained so far; undefined where there are none, or it is owed now. */
  async evaluate(): Promise<Validation | undefined> {
    const { config, data, model, metrics, state, validation, signal, lead } = this.#run;
    if (validation === undefined) return undefined;
    if (signal?.aborted) return this.#owe('evaluation');
    await lead?.tell({ kind: 'evaluate', step: state.step });
    const { communicator } = lead ?? {};
    const evaluation = await replayable(`after step ${state.step} (seed ${config.seed})`, () =>
      evaluate(model, validation, { subnetwork: this.#plan.trainedSubnetwork, signal, communicator }),
    );
    if (evaluation.isPartial) return this.#owe('evaluation');
    const { loss, ...rest } = evaluation;
    const result: Validation = { loss, bitsPerByte: bitsPerByte(loss, data), ...rest };
    state.lastValidationLoss = loss;
    const spent = { trainTokens: state.tokens, ...spentBy(state) };
    metrics.write({ kind: 'validation', step: state.step, ...result, ...this.#part(), ...spent });
    return result;
  }

  /** Text by what has been trained so far; undefined where it is owed now. */
  async sample(tokenizer: Tokenizer): Promise<string | undefined> {
    const { config, model, metrics, state, signal } = this.#run;
    if (signal?.aborted) return this.#owe('sample');
    const { prompt, length, temperature, topK, topP } = config.sample;
    const options = { maxTokens: length, temperature, topK, topP, seed: config.seed + state.step };
    const { sequenceLength } = config;
    const subnetwork = this.#plan.trainedSubnetwork;
    const text = await sampleText(model, tokenizer, prompt, { ...options, sequenceLength, subnetwork, signal });
    if (signal?.aborted) return this.#owe('sample');
    metrics.write({ kind: 'sample', step: state.step, ...this.#part(), text });
    return text;
  }

  /**
   * Ends the run where its directory was moved, deleted or taken over, with a checkpoint where that is possible.
   * @throws {BurgeonError} ERR_BURGEON_BUSY, ERR_BURGEON_CHECKPOINT.
   */
  async requirePlace(options?: { isNow: boolean }): Promise<void> {
    const { model, metrics, place, state, lead } = this.#run;
    const save = (output: string) => saveRun(model, { ...state, config: { ...state.config, output } }, lead);
    try {
      await place.require(state.step, save, options);
    } catch (error) {
      if (place.isTaken) metrics.discard();
      throw error;
    }
  }

  /** Whether the directory was found to be moved, deleted or taken over. */
  get hasLostPlace(): boolean {
    return this.#run.place.isLost;
  }

  /** The signal came first: done when the run goes on. */
  #owe(due: Due): undefined {
    const { state } = this.#run;
    state.owed = [...(state.owed ?? []), due];
  }

  /**
   * @param options.prunes whether older ones go that need not be kept.
   * @returns its directory.
   * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT; nothing has changed then.
   */
  async checkpoint(validationLoss: number | undefined, { prunes = true } = {}): Promise<string> {
    await this.requirePlace({ isNow: true });
    const { data, model, metrics, state, lead } = this.#run;
    const { best } = state;
    if (validationLoss !== undefined && validationLoss < (best?.loss ?? Infinity)) {
      state.best = { step: state.step, loss: validationLoss, evaluatedOn: data?.validation?.sha256 };
    }
    let directory: string;
    try {
      // Nothing that led to a checkpoint is younger than it after a power cut.
      await metrics.sync();
      directory = await saveRun(model, state, lead);
    } catch (error) {
      state.best = best;
      throw error;
    }
    metrics.write({ kind: 'checkpoint', step: state.step, directory });
    if (prunes) await this.#prune();
    return directory;
  }

  /** Older checkpoints go that need not be kept; one that cannot be deleted is told, and tried again after the next. */
  async #prune(): Promise<void> {
    const { config, state, onNote } = this.#run;
    const { keepLast, keepBest } = config.checkpoint;
    try {
      await pruneCheckpoints(config.output, { keepLast, best: keepBest ? state.best?.step : undefined });
    } catch (error) {
      const { message } = error as Error;
      this.warn(message);
      onNote?.(message);
    }
  }

  end(state: EndLine['state'], summary: RunSummary): void {
    const { metrics, state: run } = this.#run;
    metrics.write({ kind: 'end', step: run.step, time: new Date().toISOString(), state, summary });
  }

  close(): Promise<void> {
    return this.#run.metrics.close();
  }

  get #peakFlops(): number | null {
    const { config, peakFlopsPerSecond } = this.#run;
    return config.log.peakFlops === 'measured' ? peakFlopsPerSecond : config.log.peakFlops;
  }

  /** Of the last step done, or of the first. */
  get #plan(): StepPlan {
    const { planner, state } = this.#run;
    return planner.at(Math.max(0, state.step - 1));
  }

  /** For lines about a part of the model; nothing where it is all of it. */
  #part(): { part?: PartSize } {
    const { trained } = this.#plan;
    const { config } = this.#run.model;
    return isWhole(trained, config) ? {} : { part: partSize(trained, config) };
  }
}
