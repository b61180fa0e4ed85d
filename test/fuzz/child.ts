// Runs trials of one target, for fuzz.ts: `child.ts <target> <seed> <first> <count> <directory>`. Says before each trial
// which it is, so that a crash or a hang has a number; a line of output for each failure.

import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { failureOf } from './failure-of.ts';
import { Random } from './random.ts';
import { targets } from './targets.ts';

const [name, seed, first, count, directory] = process.argv.slice(2) as [string, string, string, string, string];
const at = openSync(join(directory, 'trial'), 'w');
let current = Number(first);
const say = (problem: string) => writeSync(1, `${JSON.stringify({ trial: current, problem })}\n`);

process.on('uncaughtException', (error) => say(`outside of the call: ${failureOf(error) ?? error}`));

const trial = await targets[name]!.open(directory);
const index = Object.keys(targets).indexOf(name);
for (; current < Number(first) + Number(count); current++) {
  writeSync(at, String(current).padEnd(12), 0);
  const before = process.resourceUsage().maxRSS;
  try {
    await trial(new Random(Number(seed), index, current));
  } catch (error) {
    const problem = failureOf(error);
    if (problem !== undefined) say(problem);
  }
  const grown = (process.resourceUsage().maxRSS - before) / 1024;
  if (grown > 500) say(`took ${Math.round(grown)} MB`);
}
closeSync(at);
process.exit(0);
