// How fast texts are encoded with GPT-2's vocabulary, on one thread: npx tsx bench/tokenizer.ts FILE...
// "cold" is the first time, when no word is known; "warm" the best of several more. Beside it the package gpt-tokenizer,
// the best of as many, whose ids have to be the same.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { encode as encodeElsewhere } from 'gpt-tokenizer/encoding/r50k_base';
import { createBytePairEncoder } from '../lib/tokenizer/byte-pairs.ts';
import { gpt2 } from '../lib/tokenizer/gpt2.ts';

const rounds = 9;

/** Milliseconds. */
function time(run: () => unknown): number {
  const start = performance.now();
  run();
  return performance.now() - start;
}

function bestOf(run: () => unknown): number {
  return Math.min(...Array.from({ length: rounds }, () => time(run)));
}

const vocabulary = gpt2();
const files = process.argv.slice(2);
if (files.length === 0) console.error('usage: npx tsx bench/tokenizer.ts FILE...');

for (const file of files) {
  const text = readFileSync(file, 'utf8');
  const encoder = createBytePairEncoder(vocabulary);
  const elsewhere = () => encodeElsewhere(text, { disallowedSpecial: new Set() });
  const cold = time(() => encoder.encode(text));
  const warm = bestOf(() => encoder.encode(text));
  const other = bestOf(elsewhere);
  const isSame = Buffer.from(encoder.encode(text).buffer).equals(Buffer.from(Int32Array.from(elsewhere()).buffer));
  const speed = (ms: number) => `${(Buffer.byteLength(text) / ms / 1000).toFixed(1)} MB/s`;
  console.log(
    `${path.basename(file)}: cold ${speed(cold)}, warm ${speed(warm)}, gpt-tokenizer ${speed(other)}, ` +
      `ids ${isSame ? 'equal' : 'DIFFER'}`,
  );
}
