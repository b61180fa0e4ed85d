// Lines of metrics as a trainer writes them, for tests of what reads them. Small numbers that are easy to check.

import { completeModel } from '../../lib/config/model-config.ts';
import type { DataDescription } from '../../lib/train/describe-data.ts';
import type { MetricsLine, StartLine, StepLine, ValidationLine } from '../../lib/train/metrics.ts';
import { parseTrainConfig } from '../../lib/train/train-config.ts';

/** 64 targets, one byte each. */
export function dataDescription(overrides: Partial<DataDescription> = {}): DataDescription {
  return {
    tokenizer: { name: 'chars', sha256: 'c4a5' },
    text: { documents: 1, bytes: 11_000, nearDuplicates: 0, validationFraction: 0.1 },
    validation: { targets: 64, sha256: 'a1b2c3d4e5f60708', bytes: 64 },
    ...overrides,
  };
}

export function startLine(overrides: object = {}, step = 0): StartLine {
  const config = parseTrainConfig({ model: 'gpt2-tiny', output: 'run', steps: 30, batchSize: 4, ...overrides });
  return {
    kind: 'start',
    step,
    time: '2026-01-02T03:04:05.000Z',
    config,
    model: completeModel(config.model, 64),
    parameters: 106_000,
    dataTokens: 10_000,
    data: dataDescription(),
    host: {
      processor: 'a processor',
      cores: 2,
      memoryGiB: 8,
      system: 'Linux x64',
      node: 'v20.0.0',
      burgeon: '0.1.0',
      commit: 'abc1234',
    },
    backend: 'cpu',
    isa: 'avx2',
    threads: 2,
    precision: 'float32',
    peakFlopsPerSecond: 1e11,
    peakFrom: 'measured',
  };
}

/** Step `step` of a run that spends 1e6 FLOPs, 8e5 of them in the layers, and 0.01 s on each. */
export function stepLine(step: number, loss: number, overrides: Partial<StepLine> = {}): StepLine {
  return {
    kind: 'step',
    step,
    stage: step <= 4 ? 1 : step <= 14 ? 2 : 3,
    active: { layers: 2, heads: 2, neurons: 256 },
    groups: 1,
    loss,
    learningRate: 1e-3,
    gradientNorm: 0.5,
    tokens: 128 * step,
    tokensPerSecond: 12_800,
    blockFlops: 8e5,
    allFlops: 1e6,
    denseBlockFlops: 8e5,
    denseAllFlops: 1e6,
    mfu: 0.001,
    ms: 10,
    executedBlockFlops: 8e5 * step,
    executedFlops: 1e6 * step,
    trainSeconds: step / 100,
    rssBytes: 1e8,
    ...overrides,
  };
}

export function validationLine(step: number, loss: number, overrides: Partial<ValidationLine> = {}): ValidationLine {
  const flops = { executedBlockFlops: 8e5 * step, executedFlops: 1e6 * step };
  const spent = { trainTokens: 128 * step, ...flops, trainSeconds: step / 100 };
  return { kind: 'validation', step, loss, tokens: 64, ms: 1, ...spent, ...overrides };
}

export const textOf = (lines: readonly MetricsLine[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join('');
