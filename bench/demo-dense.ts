// The dense runs that the demo is held against: trains them (configs/sweeps/demo-dense.yaml) and keeps what the compute gain
// needs of their metrics, in configs/demo-dense/. Seconds are of this machine and left out. Needs the demo's data.

import { spawnSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { SweepRecord } from '../lib/sweep/sweep-record.ts';
import type { MetricsLine } from '../lib/train/metrics.ts';

const root = path.join(import.meta.dirname, '..');
const sweep = path.join('configs', 'sweeps', 'demo-dense.yaml');
const kept = path.join(root, 'configs', 'demo-dense');

/** @param options of `burgeon sweep`. */
export async function benchDemoDense(options: readonly string[]): Promise<void> {
  const command = path.join(root, 'dist', 'cli', 'main.js');
  const { status } = spawnSync(process.execPath, [command, 'sweep', sweep, ...options], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
  const { runs } = JSON.parse(
    await readFile(path.join(root, 'runs', 'demo-dense', 'sweep.json'), 'utf8'),
  ) as SweepRecord;
  await mkdir(kept, { recursive: true });
  for (const { steps, seed, directory } of runs) {
    const lines = (await readFile(path.join(root, directory, 'metrics.jsonl'), 'utf8')).trim().split('\n');
    await writeFile(path.join(kept, `${steps}-steps-seed${seed}.jsonl`), `${lines.flatMap(keptLine).join('\n')}\n`);
  }
  console.log(`wrote ${path.relative(process.cwd(), kept)}/`);
}

function keptLine(text: string): string[] {
  const line: MetricsLine = JSON.parse(text);
  if (line.kind === 'start') return [JSON.stringify(line)];
  if (line.kind !== 'validation') return [];
  const { trainSeconds: _, ms: __, ...rest } = line;
  return [JSON.stringify(rest)];
}
