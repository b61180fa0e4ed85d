// npm run bench -- shakespeare FILE | tinyllama | report. Peaks, ops and steps are measured by the command itself: burgeon bench.

import { benchTinyLlama } from './memory/tinyllama.ts';
import { benchReport } from './report.ts';
import { benchShakespeare } from './train/shakespeare.ts';

const [name, argument] = process.argv.slice(2);

if (name === 'shakespeare' && argument !== undefined) {
  await benchShakespeare(argument);
} else if (name === 'tinyllama') {
  await benchTinyLlama();
} else if (name === 'report') {
  await benchReport();
} else {
  console.error('usage: npm run bench -- shakespeare FILE | tinyllama | report');
  process.exitCode = 2;
}
