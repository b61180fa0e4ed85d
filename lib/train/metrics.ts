// metrics.jsonl: one JSON object per line, appended as the run goes. docs/metrics.md describes the lines. A line that a
// kill left half-written is ignored by readers and dropped on resume.

import { appendFile, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { BurgeonError } from '../errors.ts';
import type { ActiveCounts } from '../est/sampler.ts';
import { makeDirectory } from '../files/make-directory.ts';

export const metricsFileName = 'metrics.jsonl';

/** One optimizer step. `step` counts completed steps, from 1. FLOPs are of this step, forward and backward. */
export interface StepLine {
  kind: 'step';
  step: number;
  /** 1-based. */
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
  /** Executed FLOPs per second over the machine's measured fp32 peak. */
  mfu: number;
  /** Wall-clock milliseconds, evaluation, samples and checkpoints left out. */
  ms: number;
}

/** Loss of the full model on the fixed validation windows, after `step` steps. */
export interface ValidationLine {
  kind: 'validation';
  step: number;
  loss: number;
  tokens: number;
  ms: number;
}

/** Text sampled from the full model. */
export interface SampleLine {
  kind: 'sample';
  step: number;
  text: string;
}

export interface CheckpointLine {
  kind: 'checkpoint';
  step: number;
  directory: string;
}

export type MetricsLine = StepLine | ValidationLine | SampleLine | CheckpointLine;

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

export class MetricsWriter {
  readonly file: string;

  private constructor(file: string) {
    this.file = file;
  }

  /** Opens the metrics of a run that continues after `step`: later lines, written by what is now repeated, are dropped. */
  static async open(runDirectory: string, step: number): Promise<MetricsWriter> {
    await makeDirectory(runDirectory);
    const file = path.join(runDirectory, metricsFileName);
    const kept = step === 0 ? [] : (await readMetrics(file)).filter((line) => line.step <= step);
    const temporary = `${file}.tmp`;
    await writeFile(temporary, kept.map((line) => `${JSON.stringify(line)}\n`).join(''));
    await rename(temporary, file);
    return new MetricsWriter(file);
  }

  write(line: MetricsLine): Promise<void> {
    return appendFile(this.file, `${JSON.stringify(line)}\n`);
  }
}
