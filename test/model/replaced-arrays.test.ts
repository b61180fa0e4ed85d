// What takes the place of Float32Array after the addon was loaded does not reach it: an array that somebody else holds
// could be made smaller while a worker writes into it, which would end the process.

import { afterEach, expect, it } from 'vitest';
import { Model } from '../../lib/model/model.ts';
import { generated, smallConfig } from '../helpers/models.ts';

const genuine = globalThis.Float32Array;
afterEach(() => {
  globalThis.Float32Array = genuine;
});

type Resizable = ArrayBuffer & { resize(bytes: number): void };

/** Arrays whose memory is `held` by somebody else too. */
function replaceArrays(held: Resizable[]): void {
  class Replaced extends genuine {
    constructor(length: number) {
      const bytes = { maxByteLength: 4 * length };
      const buffer = new (ArrayBuffer as unknown as new (bytes: number, options: object) => Resizable)(
        4 * length,
        bytes,
      );
      held.push(buffer);
      super(buffer);
    }
  }
  globalThis.Float32Array = Replaced as unknown as Float32ArrayConstructor;
}

const tokens = Int32Array.from({ length: 12 }, (_, i) => i);

it.each<[string, (model: Model) => Promise<unknown>]>([
  ['forward()', async (model) => (await model.forward(tokens, { logits: 'all' })).logits],
  ['generate()', (model) => generated(model, tokens, { maxTokens: 3, temperature: 0 })],
  ['parameter()', (model) => model.parameter('ln_f.weight')],
])('%s gives an array of its own', async (_, call) => {
  using model = await Model.create(smallConfig(), { threads: 1 });
  const expected = await call(model);
  const held: Resizable[] = [];
  replaceArrays(held);
  const running = call(model);
  for (const buffer of held) buffer.resize(0);
  expect(await running).toEqual(expected);
  expect(held).toEqual([]);
});
