// npm run bench -- shakespeare FILE | growth TASK [options of sweep] | demo-dense | tinyllama | report. Peaks, ops and
// steps are measured by the command itself: burgeon bench.

import { benchDemoDense } from './demo-dense.ts';
import { benchGrowth } from './growth.ts';
import { benchTinyLlama } from './memory/tinyllama.ts';
import { benchReport } from './report.ts';
import { benchShakespeare } from './train/shakespeare.ts';

const [name, argument, ...options] = process.argv.slice(2);

if (name === 'shakespeare' && argument !== undefined) {
  await benchShakespeare(argument);
} else if (name === 'growth' && argument !== undefined) {
  await benchGrowth(argument, options);
} else if (name === 'demo-dense') {
  await benchDemoDense(process.argv.slice(3));
} else if (name === 'tinyllama') {
  await benchTinyLlama();
} else if (name === 'report') {
  await benchReport();
} else {
  console.error(
    'usage: npm run bench -- shakespeare FILE | growth TASK [options of sweep] | demo-dense | tinyllama | report',
  );
  process.exitCode = 2;
}
