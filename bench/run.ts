// npm run bench -- shakespeare FILE | tinyllama. Peaks, ops and steps are measured by the command itself: burgeon bench.

import { benchTinyLlama } from './memory/tinyllama.ts';
import { benchShakespeare } from './train/shakespeare.ts';

const [name, argument] = process.argv.slice(2);

if (name === 'shakespeare' && argument !== undefined) {
  await benchShakespeare(argument);
} else if (name === 'tinyllama') {
  await benchTinyLlama();
} else {
  console.error('usage: npm run bench -- shakespeare FILE | tinyllama');
  process.exitCode = 2;
}
