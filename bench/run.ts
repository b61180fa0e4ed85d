// npm run bench -- shakespeare FILE. Peaks, ops and steps are measured by the command itself: burgeon bench.

import { benchShakespeare } from './train/shakespeare.ts';

const [name, argument] = process.argv.slice(2);

if (name === 'shakespeare' && argument !== undefined) {
  await benchShakespeare(argument);
} else {
  console.error('usage: npm run bench -- shakespeare FILE');
  process.exitCode = 2;
}
