// Whether a line of a metrics file is as a trainer writes it: a file may come from elsewhere, or have been damaged so that it is
// still JSON. Checked is what readers rely on; fields that earlier versions did not write may be missing.

import { z } from 'zod';
import type { MetricsLine, StartLine } from '../train/metrics.ts';
import { stageRows } from './stage-rows.ts';
import { unitsOfStep } from './units-of-step.ts';

const number = z.number();
const count = z.int().nonnegative();
const text = z.string();
const shares = z.looseObject({ layers: z.array(number), heads: z.array(z.array(number)), neurons: z.array(number) });

/** What a run had spent; some of it is missing in files of earlier versions. */
const spent = {
  executedBlockFlops: number.optional(),
  executedFlops: number.optional(),
  trainSeconds: number.optional(),
};

const stageTotals = z.looseObject({
  stage: count,
  steps: count,
  ...{ ms: number, blockFlops: number, allFlops: number, denseBlockFlops: number, denseAllFlops: number },
  ...{ denseSteps: count, denseMs: number },
});

const shapes: Record<MetricsLine['kind'], z.ZodType> = {
  start: z.looseObject({
    step: count,
    time: text,
    config: z.looseObject({
      ...{ steps: count, sequenceLength: count, seed: number },
      // Of another version these may have other names; the rest is told without them.
      ...{ batchSize: count.optional(), accumulationSteps: count.optional() },
      ...{ model: z.looseObject({}), est: z.looseObject({}), evaluation: z.looseObject({}) },
    }),
    model: z.looseObject({
      architecture: text,
      ...{ nLayer: count, nHead: count, nEmbd: count, nInner: count, contextLength: count, vocabSize: count },
    }),
    ...{ parameters: number, dataTokens: number, backend: text, isa: text, threads: number, precision: text },
    data: z
      .looseObject({
        tokenizer: z.looseObject({ name: text, sha256: text }).nullable(),
        text: z.looseObject({}).nullable(),
        validation: z.looseObject({ targets: number, sha256: text, bytes: number.nullable() }).nullable(),
      })
      .optional(),
    host: z.looseObject({
      ...{ processor: text, cores: number, memoryGiB: number, system: text, node: text, burgeon: text },
      commit: text.nullable(),
    }),
    ranks: count.optional(),
    peakFlopsPerSecond: number.nullable(),
    peakFrom: text,
  }),
  step: z.looseObject({
    ...{ step: count, stage: count, loss: number, learningRate: number, gradientNorm: number, tokens: number },
    active: z.looseObject({ layers: number, heads: number, neurons: number }),
    tokensPerSecond: number,
    mfu: number.nullish(),
    rssBytes: number.optional(),
    ...spent,
  }),
  validation: z.looseObject({
    step: count,
    loss: number,
    bitsPerByte: number.nullish(),
    trainTokens: number.optional(),
    ...spent,
  }),
  sample: z.looseObject({ step: count, text }),
  totals: z.looseObject({
    step: count,
    stages: z.array(stageTotals),
    units: z.looseObject({ step: shares, run: shares }),
  }),
  checkpoint: z.looseObject({ step: count, directory: text }),
  change: z.looseObject({ step: count, key: text }),
  warning: z.looseObject({ step: count, text }),
  end: z.looseObject({
    step: count,
    time: text,
    state: z.enum(['complete', 'stopped', 'failed']),
    summary: z.looseObject({ timeSaving: number.nullish() }),
  }),
};

/**
 * @param line of a metrics file, parsed.
 * @returns what is wrong with it; undefined where nothing is, and for a kind that only later versions know.
 */
export function problemOf(line: unknown): string | undefined {
  const kind = (line as { kind?: unknown } | null)?.kind;
  if (typeof kind !== 'string') return 'expected an object with a kind';
  if (!Object.hasOwn(shapes, kind)) return undefined;
  const [issue] = shapes[kind as MetricsLine['kind']].safeParse(line).error?.issues ?? [];
  if (issue) return `${issue.path.join('.')}: ${issue.message.replace(/^Invalid (?:input|option): /, '')}`;
  return kind === 'start' ? problemOfStart(line as StartLine) : undefined;
}

/** Schedule and model have to fit together: stages and units are told from them. */
function problemOfStart(start: StartLine): string | undefined {
  try {
    stageRows(start, []);
    unitsOfStep(start, 1);
    return undefined;
  } catch (error) {
    return `config: ${(error as Error).message.split('\n')[0]}`;
  }
}
