// metrics.jsonl: one JSON object per line, appended as the run goes. docs/metrics.md describes the lines. A line that a
// kill left half-written is ignored by readers and dropped on resume.

import { type FileHandle, open, readdir, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import type { Host } from '../addon/host.ts';
import type { ModelConfig } from '../config/model-config.ts';
import { BurgeonError } from '../errors.ts';
import type { PartSize } from '../est/part.ts';
import type { ActiveCounts } from '../est/sampler.ts';
import { explainWriting } from '../files/explain-writing.ts';
import { isMissing } from '../files/is-missing.ts';
import { LogFile } from '../files/log-file.ts';
import { makeDirectory } from '../files/make-directory.ts';
import { refusePipe } from '../files/path-kinds.ts';
import { type FileLine, scanLines } from '../files/scan-lines.ts';
import type { ConfigChange } from './config-changes.ts';
import type { DataDescription } from './describe-data.ts';
import type { Spent, StageTotals } from './run-state.ts';
import type { RunSummary } from './summary.ts';
import type { TrainConfig } from './train-config.ts';
import type { UnitShares } from './unit-usage.ts';

export const metricsFileName = 'metrics.jsonl';

/** A process begins with the run, or goes on with it. */
export interface StartLine {
  kind: 'start';
  /** Completed steps. */
  step: number;
  /** ISO 8601. */
  time: string;
  config: TrainConfig;
  /** The model with everything filled in. */
  model: ModelConfig;
  /** Numbers in the model. */
  parameters: number;
  /** Tokens of the training data. */
  dataTokens: number;
  /** What its losses are measured on; absent in files of earlier versions. */
  data?: DataDescription;
  host: Host;
  backend: string;
  isa: string;
  /** Of each rank. */
  threads: number;
  /** Processes, where there are several. */
  ranks?: number;
  precision: string;
  /** FLOPs per second that `mfu` is a share of; null on CUDA devices without `log.peakFlops`. */
  peakFlopsPerSecond: number | null;
  /** Measured when the run was opened, or `log.peakFlops`. */
  peakFrom: 'measured' | 'declared';
}

/**
 * One optimizer step. `step` counts completed steps, from 1. FLOPs are of this step, forward and backward; `Spent` is
 * since the start of the run, over all steps, logged or not.
 */
export interface StepLine extends Spent {
  kind: 'step';
  step: number;
  /** From 1. */
  stage: number;
  /** Active layers, and heads and neurons per active layer. */
  active: ActiveCounts;
  /** Number of subnetworks trained in this step. */
  groups: number;
  /** Mean nats per token of the subnetworks. */
  loss: number;
  learningRate: number;
  /** Before clipping. */
  gradientNorm: number;
  /** Tokens seen since the start of the run. */
  tokens: number;
  tokensPerSecond: number;
  /** Executed and dense FLOPs: of attention and MLP of the layers, and with the output head. */
  blockFlops: number;
  allFlops: number;
  denseBlockFlops: number;
  denseAllFlops: number;
  /** Executed by the update, of every rank; in none of the figures above. Only with Muon. */
  newtonSchulzFlops?: number;
  /** Executed FLOPs per second over the machine's fp32 peak, measured or declared. */
  mfu: number | null;
  /** Wall-clock milliseconds, evaluation, samples and checkpoints left out. */
  ms: number;
  /** Memory of the process. */
  rssBytes: number;
}

/** Loss on the fixed validation windows, after `step` steps, and what the run had spent. */
export interface ValidationLine extends Spent {
  kind: 'validation';
  step: number;
  /** The part of the model that has been trained so far and that this is of; absent: the full model. */
  part?: PartSize;
  loss: number;
  /** The same in bits per UTF-8 byte of the validation text; null without a tokenizer. Not in metrics of earlier versions. */
  bitsPerByte?: number | null;
  /** Targets it is the mean of. */
  tokens: number;
  ms: number;
  /** Tokens seen. */
  trainTokens: number;
}

/** Sampled text. */
export interface SampleLine {
  kind: 'sample';
  step: number;
  /** As of a validation. */
  part?: PartSize;
  text: string;
}

export interface CheckpointLine {
  kind: 'checkpoint';
  step: number;
  directory: string;
}

/** Sums over the run so far: at evaluations and checkpoints, and at the end of a stage. */
export interface TotalsLine {
  kind: 'totals';
  step: number;
  stages: StageTotals[];
  /** Share of the sequences that trained each unit: in this step, and in all so far. */
  units: { step: UnitShares; run: UnitShares };
}

/** A key of the configuration has another value from the next step on; written when the run goes on, after `start`. */
export interface ChangeLine extends ConfigChange {
  kind: 'change';
}

/** Something that people should know of. */
export interface WarningLine {
  kind: 'warning';
  step: number;
  text: string;
}

/** The process is done with the run; one that was killed leaves no such line. */
export interface EndLine {
  kind: 'end';
  step: number;
  time: string;
  state: 'complete' | 'stopped' | 'failed';
  summary: RunSummary;
}

export type MetricsLine =
  | StartLine
  | StepLine
  | ValidationLine
  | SampleLine
  | TotalsLine
  | CheckpointLine
  | ChangeLine
  | WarningLine
  | EndLine;

/** The lines of a metrics file; none when it does not exist. A torn last line is left out. */
export async function readMetrics(file: string): Promise<MetricsLine[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  const lines = text.split('\n');
  return lines.flatMap((line, i): MetricsLine[] => {
    if (line === '') return [];
    try {
      return [JSON.parse(line)];
    } catch (cause) {
      // Only the end of the file may be torn; anything else is damage someone should know of.
      if (i === lines.length - 1) return [];
      throw new BurgeonError(
        'ERR_BURGEON_DATA',
        `${file}:${i + 1}: expected a JSON object, found ${line.slice(0, 60)}`,
        {
          cause,
        },
      );
    }
  });
}

/** The completed steps that a line speaks of; undefined where its beginning is not as `MetricsWriter` writes it. */
export function stepOfLine({ chunk, begin, end }: FileLine): number | undefined {
  const match = /^{"kind":"[a-z]+","step":(\d+)[,}]/.exec(chunk.toString('latin1', begin, Math.min(end, begin + 48)));
  return match ? Number(match[1]) : undefined;
}

/** Steps are written together when so much time has passed: one write each would be dear for short steps. */
const flushEveryMs = 200;

export interface MetricsListeners {
  /** Is given every line once it is in the file. */
  onLine?: ((line: MetricsLine) => void) | undefined;
  /** Is told where the file cannot be written; no line is lost as long as it can be in the end. */
  onTrouble?: ((text: string) => void) | undefined;
}

export class MetricsWriter {
  readonly file: string;
  /** What was there of the step that the run goes on from: a kill may have come between a checkpoint and the lines about it. */
  readonly found: LinesOfStep;
  readonly #log: LogFile<MetricsLine>;

  private constructor(file: string, found: LinesOfStep, log: LogFile<MetricsLine>) {
    this.file = file;
    this.found = found;
    this.#log = log;
  }

  /** Opens the metrics of a run that continues after `step`: later lines, written by what is now repeated, are dropped. */
  static async open(runDirectory: string, step: number, listeners: MetricsListeners = {}): Promise<MetricsWriter> {
    const file = path.join(runDirectory, metricsFileName);
    const { handle, found } = await explainWriting(
      `${file} (the metrics)`,
      'nothing was trained, nothing is lost',
      () => openAfter(file, step),
    );
    const log = new LogFile<MetricsLine>({
      path: file,
      handle,
      everyMs: flushEveryMs,
      encode: (lines) => Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join('')),
      onWritten: listeners.onLine,
      onTrouble: listeners.onTrouble,
    });
    return new MetricsWriter(file, found, log);
  }

  /**
   * Appends a line: a step within a fifth of a second, anything else, and the steps before it, at once.
   * @throws what a listener threw, now or since the last call; never what the file system says.
   */
  write(line: MetricsLine): void {
    this.#log.add(line, line.kind !== 'step');
  }

  /** What was written is on disk then, as far as the disk takes it. */
  sync(): Promise<void> {
    return this.#log.sync();
  }

  /** Writes nothing any more: the file is another process's now. */
  discard(): void {
    this.#log.discard();
  }

  close(): Promise<void> {
    return this.#log.close();
  }
}

/** The file, without what comes after a step. */
async function openAfter(file: string, step: number): Promise<{ handle: FileHandle; found: LinesOfStep }> {
  await makeDirectory(path.dirname(file));
  await refusePipe(file);
  const handle = await open(file, 'a');
  try {
    const found = await linesOfStep(file, step);
    await handle.truncate(step === 0 ? 0 : found.bytes);
    return { handle, found };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

interface LinesOfStep {
  /** Up to the last whole line of the step or before; what cannot be read between stays. */
  bytes: number;
  /** Whether a line says that the step has a checkpoint, and one that the run is complete with it. */
  hasCheckpoint: boolean;
  hasEnd: boolean;
  /** The last step that a line speaks of; 0 where none does. */
  last: number;
}

async function linesOfStep(file: string, step: number): Promise<LinesOfStep> {
  const found: LinesOfStep = { bytes: 0, hasCheckpoint: false, hasEnd: false, last: 0 };
  await scanLines(file, (line) => {
    const { chunk, begin, end, offset, isWhole } = line;
    const lineStep = stepOfLine(line) ?? Infinity;
    if (!isWhole || lineStep > step) return;
    found.bytes = offset + end - begin + 1;
    found.last = Math.max(found.last, lineStep);
    if (lineStep < step) return;
    const text = chunk.toString('utf8', begin, end);
    found.hasCheckpoint ||= text.startsWith('{"kind":"checkpoint"');
    found.hasEnd ||= text.startsWith('{"kind":"end"') && text.includes('"state":"complete"');
  });
  return found;
}

/**
 * Sets the metrics of steps aside that no checkpoint holds, before a run starts anew in their directory.
 * @returns the file they are in now, and the last step; undefined where there are none of any step.
 */
export async function keepMetricsAside(runDirectory: string): Promise<{ file: string; step: number } | undefined> {
  const file = path.join(runDirectory, metricsFileName);
  let last = 0;
  try {
    await scanLines(file, (line) => {
      last = Math.max(last, stepOfLine(line) ?? 0);
    });
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  if (last === 0) return undefined;
  const names = new Set(await readdir(runDirectory));
  let number = 1;
  while (names.has(`metrics-${number}.jsonl`)) number++;
  const kept = path.join(runDirectory, `metrics-${number}.jsonl`);
  await explainWriting(`${kept} (the metrics of before)`, `${file} is as it was`, () => rename(file, kept));
  return { file: kept, step: last };
}
