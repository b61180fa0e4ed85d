// A disk that is full for a while under metrics.jsonl: a limit on the size of files stands for it, set and lifted by a process of
// its own while it trains.

import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readMetrics } from '../../lib/train/metrics.ts';
import { prepareText, tinyConfig } from './helpers.ts';

const trainer = new URL('../../lib/train/trainer.ts', import.meta.url).href;

const program = (config: object) => `
import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { Trainer } from ${JSON.stringify(trainer)};
process.on('SIGXFSZ', () => {});
const config = ${JSON.stringify(config)};
const limit = (bytes) => execFileSync('prlimit', ['--pid', String(process.pid), '--fsize=' + bytes + ':unlimited']);
const trainer = new Trainer(config, { onNote: (note) => console.log(note) });
for await (const { step } of trainer.run()) {
  // In the middle of a line, as chance would have it.
  if (step === 3) limit(statSync(config.output + '/metrics.jsonl').size + 100);
  // Longer than lines wait, so that a timer meets the limit; how much longer does not matter.
  if (step === 5) await new Promise((resolve) => setTimeout(resolve, 400));
  if (step === 12) limit('unlimited');
}
await trainer.close();
`;

test.skipIf(process.platform !== 'linux')('is said once, and costs no line and no step', async () => {
  const { data, remove } = await prepareText();
  onTestFinished(remove);
  const output = path.join(data, '..', 'run');
  const config = tinyConfig(data, output, { evaluation: { every: 5, windows: 4 } });
  const args = ['--import', 'tsx', '--input-type=module', '-e', program(config)];
  const said = execFileSync(process.execPath, args, { encoding: 'utf8' });
  const file = path.join(output, 'metrics.jsonl');
  expect(said.split('\n')).toEqual([
    `${file}: cannot be written (EFBIG: file too large, write); going on, what it lacks is kept and tried again`,
    `${file}: can be written again; nothing is missing`,
    '',
  ]);
  const lines = await readMetrics(file);
  const steps = lines.filter(({ kind }) => kind === 'step').map(({ step }) => step);
  expect(steps).toEqual(Array.from({ length: 15 }, (_, i) => i + 1));
  expect(lines.at(-1)).toMatchObject({ kind: 'end', state: 'complete' });
});
