// Opens everything that a run needs, in this order: what can be refused is refused before the run directory is touched, and
// nothing stays open where opening fails.

import { slowProductsNote } from '../addon/cuda.ts';
import { busyNote, measurePeak, type Peak, peakFlops } from '../addon/peak.ts';
import { damageText, latestIntactCheckpoint } from '../checkpoint/checkpoint-list.ts';
import type { OpenModelDirectory } from '../checkpoint/model-directory.ts';
import { completeModel, type ModelConfig } from '../config/model-config.ts';
import type { Dataset } from '../data/dataset.ts';
import { ShardCheck } from '../data/shard-check.ts';
import { isError } from '../errors.ts';
import { counted } from '../format.ts';
import type { Model } from '../model/model.ts';
import { createTokenizer } from '../tokenizer/open-tokenizer.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { bestOnPresentWindows } from './best-checkpoint.ts';
import { checkpointSpace, checkSpace, lacksRoom } from './checkpoint-space.ts';
import type { FoundData } from './data-record.ts';
import { openInitialModel, partNotes } from './initial-model.ts';
import { Lead, requireLead } from './lead.ts';
import { keepMetricsAside, MetricsWriter } from './metrics.ts';
import { findData, openData, type RunInput, readInput } from './open-data.ts';
import { planNotes } from './plan-notes.ts';
import { continueRun, type Restored, saveRun, startRun } from './restore.ts';
import { type EnteredRun, enterRunDirectory } from './run-directory.ts';
import { RunPlace } from './run-place.ts';
import { RunRecorder } from './run-recorder.ts';
import { RunSaver } from './run-saver.ts';
import type { RunState } from './run-state.ts';
import { StepPlanner } from './step-planner.ts';
import { checkSample } from './text-sample.ts';
import type { TrainConfig } from './train-config.ts';
import type { TrainerOptions } from './trainer-options.ts';
import { newUnitSums } from './unit-usage.ts';

/** What is open while a run runs. */
export interface OpenRun {
  dataset: Dataset;
  /** Of the hashes of the data's shards, under way. */
  check: ShardCheck;
  tokenizer: Tokenizer | undefined;
  input: RunInput;
  directory: EnteredRun;
  /** Stays when the run is over. */
  model: Model;
  /** With the configuration that is in force; likewise. */
  state: RunState;
  peak: Peak | null;
  planner: StepPlanner;
  recorder: RunRecorder;
  saver: RunSaver;
  /** Of the other ranks. */
  lead: Lead | undefined;
}

/**
 * @throws {BurgeonError} ERR_BURGEON_CONFIG, ERR_BURGEON_DATA, ERR_BURGEON_CHECKPOINT, ERR_BURGEON_BUSY,
 *   ERR_BURGEON_OUT_OF_MEMORY. Nothing stays open then.
 */
export async function openRun(config: TrainConfig, options: TrainerOptions): Promise<OpenRun> {
  const { communicator } = options;
  try {
    if (communicator) requireLead(config, communicator);
    return await openAll(config, options);
  } catch (error) {
    communicator?.giveUp(isError(error) ? error.message : String(error));
    throw error;
  }
}

async function openAll(config: TrainConfig, options: TrainerOptions): Promise<OpenRun> {
  const dataset = await openData(config);
  const hashed = [...(dataset.hashed?.validation ?? []), ...(dataset.hashed?.train ?? [])];
  const open: Partial<OpenRun> & Pick<OpenRun, 'dataset' | 'check'> = { dataset, check: new ShardCheck(hashed) };
  let wanted: WantedRun | undefined;
  try {
    wanted = await refuseFirst(config, options, open);
    const { start = 'new', signal, onNote = () => {} } = options;
    open.directory = await enterRunDirectory(config.output, start, { signal, onNote });
    const notes = await openingNotes(open.directory, wanted, dataset);
    for (const note of notes) onNote(note);
    await keepOldMetrics(config, open.directory, onNote);
    const begun = await begin(config, options, { ...wanted, directory: open.directory });
    open.model = begun.model;
    const run = await record({ ...open, ...wanted, directory: open.directory, begun, notes }, options);
    Object.assign(open, run);
    await tellBeginning(run, { begun, notes }, options);
    return run;
  } catch (error) {
    // The first error is the one to report.
    await releaseRun(open).catch(() => {});
    open.model?.dispose();
    throw error;
  } finally {
    await wanted?.initial?.close();
  }
}

/** Closes all that is open of a run but its model, whatever one of them throws. */
export async function releaseRun(run: Partial<OpenRun>): Promise<void> {
  const { recorder, check, dataset, directory } = run;
  const closing = [() => recorder?.close(), () => check?.stop(), () => dataset?.close(), () => directory?.leave()];
  let failure: { error: unknown } | undefined;
  for (const close of closing) {
    try {
      await close();
    } catch (error) {
      failure ??= { error };
    }
  }
  if (failure) throw failure.error;
}

/** What is to be run, when all that can be refused has been accepted. */
interface WantedRun {
  tokenizer: Tokenizer | undefined;
  found: FoundData;
  /** Of a new run. */
  newInput: RunInput;
  /** The model to start from; undefined when there is none, or a checkpoint to continue from. */
  initial: OpenModelDirectory | undefined;
  shape: ModelConfig;
  /** Where the disk has room for fewer checkpoints than are kept. */
  tight: string | undefined;
}

async function refuseFirst(
  config: TrainConfig,
  options: TrainerOptions,
  { dataset, check }: Pick<OpenRun, 'dataset' | 'check'>,
): Promise<WantedRun> {
  if (check.isSmall) await check.finish();
  const tokenizer = dataset.tokenizer && createTokenizer(dataset.tokenizer);
  const found = await findData(dataset, config.sequenceLength);
  const { signal } = options;
  const newInput = await readInput(dataset, config, tokenizer, { found, windows: 'across', signal });
  const initial = await openInitial(config, options, dataset, tokenizer);
  try {
    const shape = initial?.model ?? completeModel(config.model, dataset.vocabSize);
    checkSample(config, tokenizer);
    const tight = checkSpace(await checkpointSpace(shape, config), config.output);
    return { tokenizer, found, newInput, initial, shape, tight };
  } catch (error) {
    await initial?.close();
    throw error;
  }
}

async function openInitial(
  config: TrainConfig,
  { start = 'new', onNote }: TrainerOptions,
  { vocabSize }: Dataset,
  tokenizer: Tokenizer | undefined,
): Promise<OpenModelDirectory | undefined> {
  if (config.initFrom === undefined) return undefined;
  const resumes = start === 'resume' || start === 'auto';
  if (resumes && (await latestIntactCheckpoint(config.output)).latest !== undefined) return undefined;
  return openInitialModel(
    config.initFrom,
    config,
    { ...(vocabSize === undefined ? {} : { vocabSize }), tokenizer },
    { start, onNote },
  );
}

/** Kept in the metrics of a run that begins, too. */
async function openingNotes(directory: EnteredRun, { initial, tight }: WantedRun, dataset: Dataset): Promise<string[]> {
  return [
    ...directory.skipped.map((torn) => `passed over checkpoint ${damageText(torn)}`),
    ...(initial ? await partNotes(initial) : []),
    ...(tight === undefined ? [] : [tight]),
    ...dataset.findings.map((finding) => `data: ${finding}`),
  ];
}

async function keepOldMetrics({ output }: TrainConfig, { latest }: EnteredRun, onNote: (note: string) => void) {
  const kept = latest ? undefined : await keepMetricsAside(output);
  if (kept)
    onNote(
      `starting anew: no checkpoint holds the ${counted(kept.step, 'step')} whose metrics are now in ${kept.file}`,
    );
}

function begin(
  config: TrainConfig,
  { changes = [], communicator }: TrainerOptions,
  { found, tokenizer, initial, shape, directory: { latest } }: WantedRun & Pick<OpenRun, 'directory'>,
): Promise<Restored> {
  const context = { config, changes, data: found, tokenizer, communicator };
  return latest ? continueRun(context, latest.directory) : startRun(context, initial ?? shape);
}

/** Everything that follows from the state that the run begins with. */
async function record(
  parts: WantedRun & Pick<OpenRun, 'dataset' | 'check' | 'directory'> & { begun: Restored; notes: string[] },
  { signal, onLine, onNote = () => {}, communicator }: TrainerOptions,
): Promise<OpenRun> {
  const { dataset, check, directory, tokenizer, found, newInput, begun, notes } = parts;
  const { model, state } = begun;
  const { config } = state;
  const windows = state.data?.windows ?? 'across';
  const input =
    windows === 'across' ? newInput : await readInput(dataset, config, tokenizer, { found, windows, signal });
  const { units = newUnitSums(model.config) } = state;
  const planner = new StepPlanner(model.config, config);
  const isMeasured = config.log.peakFlops === 'measured' && model.info.backend !== 'cuda' && !signal?.aborted;
  const peak = isMeasured ? await measurePeak(model.info.threads) : null;
  // For readers of the report, who see MFU; on a terminal it is told where MFU is.
  const busy = peak && busyNote(peak);
  if (busy) notes.push(busy);
  const metrics = await MetricsWriter.open(config.output, state.step, { onLine, onTrouble: onNote });
  for (const note of [lostMetrics(metrics, state.step, config), model.info.backend === 'cuda' && slowProductsNote()]) {
    if (!note) continue;
    notes.push(note);
    onNote(note);
  }
  const { checkpoint, hasChanged } = begun.momentsFrom ?? {};
  const beginning = { config, model: model.config, data: found, windows };
  const lead = communicator && (await Lead.begin(communicator, beginning, model, checkpoint));
  if (hasChanged) await saveRun(model, state, lead);
  const recorder = new RunRecorder({
    lead,
    config,
    model,
    state: Object.assign(state, { units }),
    planner,
    metrics,
    validation: input.validation,
    data: input.description,
    place: new RunPlace(config.output, directory.lock),
    signal,
    onNote,
    // All ranks are taken to be like this one.
    peakFlopsPerSecond: peak && peakFlops(peak, model.info.precision) * (communicator?.size ?? 1),
  });
  const saver = new RunSaver({
    config,
    state,
    recorder,
    isSaved: directory.latest !== undefined,
    onNote,
    begun: directory.begun,
    lacksRoom: () => lacksRoom(model.config, config),
  });
  return { dataset, check, tokenizer, input, directory, model, state, peak, planner, recorder, saver, lead };
}

/** A kill may cost the lines of the last step; a file that ends earlier was shortened, or is another one. */
function lostMetrics({ file, found: { last } }: MetricsWriter, step: number, { log }: TrainConfig): string | undefined {
  if (last + log.every >= step) return undefined;
  const found = last === 0 ? 'none' : `none after step ${last}`;
  return `${file}: expected lines of the ${counted(step, 'step')} so far, found ${found}; reports and comparisons lack them`;
}

/** The first lines of its metrics; the best checkpoint of a run that goes on, on the present validation windows. */
async function tellBeginning(
  run: OpenRun,
  { begun, notes }: { begun: Restored; notes: readonly string[] },
  { signal, onNote = () => {} }: TrainerOptions,
): Promise<void> {
  const { dataset, directory, input, model, planner, recorder, state } = run;
  const { config } = state;
  const isComplete = state.step === config.steps && state.owed === undefined;
  const { validation, description } = input;
  if (directory.latest && !isComplete && validation && description?.validation) {
    const evaluatedOn = description.validation.sha256;
    const resumed = { model, state, planner, output: config.output, latest: directory.latest.directory };
    const { best, note } = await bestOnPresentWindows({ ...resumed, validation, evaluatedOn, signal });
    state.best = best;
    if (note) onNote(note);
  }
  if (directory.latest) await recorder.findAgain(directory.latest.directory, isComplete);
  // A complete run that is "resumed" trains nothing, and its metrics stay as they are.
  if (!isComplete) recorder.start(dataset.train.tokenCount);
  const isNew = state.step === 0;
  for (const note of [...begun.notes, ...(isNew ? planNotes(model.config, config) : [])]) onNote(note);
  for (const text of notes) recorder.warn(text);
  if (isNew) for (const warning of dataset.warnings ?? []) recorder.warn(`data: ${warning}`);
  if (isNew && state.initialValidationLoss === null) {
    state.initialValidationLoss = (await recorder.evaluate())?.loss ?? null;
  }
}
