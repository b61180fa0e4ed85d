// Rotary positions: the angle by which each pair of a head's dimensions turns per position, and how long-context models
// stretch it. Formulas as in transformers' modeling_rope_utils.py, in float32 as there. Pure.

import * as z from 'zod';
import { integer, type JsonShape, positiveNumber, section, value } from './fields.ts';

/** Every angle divided by `factor`. */
export interface LinearRopeScaling {
  type: 'linear';
  factor: number;
}

/** Llama 3.1's: slow angles divided by `factor`, fast ones kept, those between blended. */
export interface Llama3RopeScaling {
  type: 'llama3';
  factor: number;
  lowFreqFactor: number;
  highFreqFactor: number;
  /** Context length before the stretch. */
  originalContextLength: number;
}

export type RopeScaling = LinearRopeScaling | Llama3RopeScaling;

const linear = section({ type: z.literal('linear'), factor: positiveNumber() });
const llama3 = section({
  type: z.literal('llama3'),
  factor: positiveNumber(),
  lowFreqFactor: positiveNumber(),
  highFreqFactor: positiveNumber(),
  originalContextLength: integer(1),
});
const expected =
  '{type: linear, factor} or {type: llama3, factor, lowFreqFactor, highFreqFactor, originalContextLength}, ' +
  'all above 0 and lowFreqFactor below highFreqFactor';

const above0 = { type: 'number', exclusiveMinimum: 0 } as const;
const mapping = (type: RopeScaling['type'], factors: Record<string, JsonShape>): JsonShape => ({
  type: 'object',
  properties: { type: { enum: [type] }, ...factors },
  required: ['type', ...Object.keys(factors)],
  additionalProperties: false,
});
const shape: JsonShape = {
  'x-type': 'RopeScaling',
  anyOf: [
    mapping('linear', { factor: above0 }),
    mapping('llama3', {
      ...{ factor: above0, lowFreqFactor: above0, highFreqFactor: above0 },
      originalContextLength: { type: 'integer', minimum: 1 },
    }),
  ],
};

const accepts = (input: unknown) => {
  const parsed = z.union([linear, llama3]).safeParse(input);
  return parsed.success && (parsed.data.type === 'linear' || parsed.data.lowFreqFactor < parsed.data.highFreqFactor);
};

export const ropeScalingSchema = value<RopeScaling>(expected, accepts, shape);

/** Radians per position of each of the headSize / 2 pairs. */
export function ropeFrequencies(headSize: number, theta: number, scaling?: RopeScaling): Float32Array {
  return Float32Array.from({ length: headSize / 2 }, (_, d) => {
    const frequency = Math.fround(1 / theta ** ((2 * d) / headSize));
    if (scaling === undefined) return frequency;
    if (scaling.type === 'linear') return frequency / scaling.factor;
    const { factor, lowFreqFactor, highFreqFactor, originalContextLength } = scaling;
    // Turns within the original context: few ones are stretched, many are left alone.
    const turns = (originalContextLength * frequency) / (2 * Math.PI);
    if (turns < lowFreqFactor) return frequency / factor;
    if (turns > highFreqFactor) return frequency;
    const share = (turns - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
    return ((1 - share) * frequency) / factor + share * frequency;
  });
}
