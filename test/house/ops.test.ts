// Every op of the engine's one list can be checked and measured alone: an op that `burgeon bench` and `selfcheck` do not know
// would never be compared with the reference on a user's device.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const root = path.join(import.meta.dirname, '..', '..');
const read = (...names: string[]) => readFileSync(path.join(root, ...names), 'utf8');

/** What benchmarks call an op that has another name there, or by which others it is covered. */
const knownAs: Readonly<Record<string, readonly string[]>> = {
  gather_matrix: ['gather'],
  linear_expand: ['expand'],
  linear_contract: ['contract', 'input_gradient'],
  linear_weight_gradient: ['weight_gradient'],
  scale_rows: ['head_loss'],
};

const ops = [...read('native', 'backend', 'op_list.h').matchAll(/^ {2}VISIT\((\w+), \w+\)/gm)].map(([, name]) => name!);
const named = (text: string) => new Set([...text.matchAll(/'(\w+)'/g)].map(([, name]) => name!));
const union = /export type NativeOp =([\s\S]*?);/.exec(read('lib', 'addon', 'binding.ts'))![1]!;

test('are known to the benchmarks', () => {
  expect(ops.length).toBeGreaterThan(20);
  const known = named(union);
  expect(ops.flatMap((op) => knownAs[op] ?? [op]).filter((name) => !known.has(name))).toEqual([]);
});

test('are checked by selfcheck', () => {
  const checked = named(read('lib', 'selfcheck', 'op-checks.ts'));
  expect([...named(union)].filter((name) => !checked.has(name))).toEqual([]);
});
