// Everything that is to be known of a device, in parts that each end within ten minutes, with the JSON and the text of each in a folder:
// whether it computes what it should, how fast, beside what was predicted and PyTorch, and whether it trains. Called again with
// the same folder it goes on where it was. Goes on after a failure and exits with 1.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { burgeon, commandRunner, root } from './check-device/commands.mjs';
import { Outcome } from './check-device/outcome.mjs';
import { longestSeconds, partsOf } from './check-device/parts.mjs';
import {
  expectedSeconds,
  isOpen,
  partsNamed,
  partsToRun,
  readState,
  rowOf,
  withRow,
  writeState,
} from './check-device/state.mjs';
import { listText, summaryText } from './check-device/table.mjs';

const usage = `usage: node scripts/check-device.mjs [options]
  --device <name>     cuda or one like cuda:1 (default: cuda)
  --output <folder>   for results; called again with the same folder, what is open is run (default: device-check)
  --part <names>      these parts alone, with commas or repeated; "ops" is all that begin with ops-
  --list              the parts, the seconds each is expected to take, and what became of it
  --budget <seconds>  start no part that would not end within that time
  --again             also parts that have passed for this build and device
  --data <folder>     prepared with the tokenizer gpt2, to train on (default: text of this folder)
  --tiny              sizes for kernels that run on the host`;

function fail(message, status = 1) {
  console.error(`check-device: ${message}`);
  process.exit(status);
}

function readArguments() {
  const options = {
    device: { type: 'string', default: 'cuda' },
    output: { type: 'string', default: 'device-check' },
    part: { type: 'string', multiple: true },
    list: { type: 'boolean', default: false },
    budget: { type: 'string' },
    again: { type: 'boolean', default: false },
    data: { type: 'string' },
    tiny: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  };
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    return fail(`${error.message.split('. ')[0]}\n${usage}`, 2);
  }
}

/** Runs `doctor`, whose output is a result too, and gives the device: { on, index, name }. */
function findDevice(asked, file) {
  const [, digits] =
    /^cuda(?::(\d+))?$/.exec(asked) ??
    fail(`--device: expected cuda or one like cuda:1, received ${JSON.stringify(asked)}`, 2);
  const index = Number(digits ?? 0);
  const [command, args] = burgeon(['doctor', '--json']);
  const { status, signal, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) fail(`burgeon doctor: ${signal ?? `exit status ${status}`}\n${stderr}`);
  writeFileSync(file, stdout);
  const { cuda } = JSON.parse(stdout);
  if (cuda.notUsed !== undefined) fail(`${asked}: ${cuda.notUsed}`);
  const found = cuda.devices[index] ?? fail(`${asked}: expected a device in [0, ${cuda.devices.length})`);
  return { on: `cuda:${index}`, index, name: found.name };
}

/** Names the build by what computes: a part that passed for another says nothing of this one. */
function buildOf() {
  const library = process.env.BURGEON_CUDA_LIBRARY || path.join(root, 'build', 'cuda', 'libburgeon_cuda.so');
  const hash = createHash('sha256');
  for (const file of [library, path.join(root, 'build', 'Release', 'burgeon.node')]) hash.update(readFileSync(file));
  return hash.digest('hex').slice(0, 16);
}

/** Runs one part to its end or its deadline; its row of the summary. */
async function runPart(part, { output, deadline, interrupt, ...context }) {
  const file = (suffix) => path.join(output, `${part.name}${suffix}`);
  for (const suffix of ['.json', '.txt']) rmSync(file(suffix), { force: true });
  const start = performance.now();
  const ends = Math.min(deadline, start + 1000 * longestSeconds);
  const run = commandRunner({ log: file('.txt'), deadline: ends, interrupt });
  const beside = (name) => path.join(output, name);
  const outcome = await part.run({ run, file, beside, ...context }).then(
    (found) => ({ result: 'passed', ...found }),
    (error) => ({ result: error instanceof Outcome ? error.result : 'failed', why: error.message }),
  );
  // What has had all the time there is and cannot go on would be stopped again.
  const hadAll = ends < deadline && !interrupt.aborted;
  if (outcome.result === 'stopped' && hadAll && !part.goesOn) outcome.result = 'failed';
  const seconds = Number(((performance.now() - start) / 1000).toFixed(1));
  return { part: part.name, date: new Date().toISOString(), seconds, ...outcome };
}

const { device: asked, output: folder, part: names, budget, again, data, tiny: isTiny, list, help } = readArguments();
if (help) {
  console.log(usage);
  process.exit();
}
const begin = performance.now();
const budgetSeconds = budget === undefined ? Number.POSITIVE_INFINITY : Number(budget);
if (!(budgetSeconds > 0)) fail(`--budget: expected seconds above 0, received ${JSON.stringify(budget)}\n${usage}`, 2);
const parts = partsOf(isTiny);
const wanted =
  names === undefined
    ? parts
    : partsNamed(
        parts,
        names.flatMap((each) => each.split(',')),
      );
if (wanted === undefined) {
  fail(`--part: expected some of ${parts.map(({ name }) => name).join(', ')}, received ${names.join(', ')}`, 2);
}

const output = path.resolve(folder);
const summary = path.join(output, 'summary.json');
if (list) {
  // Of whatever build and device.
  console.log(listText(wanted, readState(summary, {}).state, expectedSeconds));
  process.exit();
}
mkdirSync(output, { recursive: true });
const device = findDevice(asked, path.join(output, 'doctor.json'));
const found = readState(summary, { build: buildOf(), device: device.name, isTiny });
let { state } = found;
if (found.isOther) console.log(`${summary} is of another build or device: every part is run anew`);
console.log(`${device.on}: ${device.name}, build ${state.build}`);

const tokens = data === undefined ? path.join(output, 'data') : path.resolve(data);
const deadline = begin + 1000 * budgetSeconds;
const interrupting = new AbortController();
for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => interrupting.abort());
let waiting;
let started = 0;
for (const part of partsToRun(state, wanted, { again, areNamed: names !== undefined })) {
  if (interrupting.signal.aborted) break;
  const seconds = expectedSeconds(state, part);
  if (performance.now() + 1000 * seconds > deadline) {
    waiting = { part, seconds, isFirst: started === 0 };
    break;
  }
  started++;
  console.log(`${part.name}, about ${seconds} s`);
  const isNew = rowOf(state, part.name)?.result !== 'stopped';
  const row = await runPart(part, {
    output,
    deadline,
    interrupt: interrupting.signal,
    device,
    on: device.on,
    isTiny,
    isNew,
    tokens,
    isGiven: data !== undefined,
  });
  state = withRow(state, row, parts);
  writeState(summary, state);
  console.log(`  ${row.result}, ${row.seconds} s${row.why ? `: ${row.why}` : ''}`);
}

const open = wanted.filter((part) => isOpen(state, part));
writeState(summary, { ...state, open: open.map(({ name }) => name) });
console.log(`\n${summaryText(state, wanted)}\n`);
if (waiting) {
  const next = waiting.isFirst
    ? `give --budget ${waiting.seconds + 10} or more`
    : 'the same command again goes on with it';
  console.log(`${waiting.part.name} takes about ${waiting.seconds} s and was not started: ${next}`);
}
const count = (result) => wanted.filter((part) => rowOf(state, part.name)?.result === result).length;
console.log(
  `${count('passed')} passed, ${count('failed')} failed, ${count('not run')} not run, ${open.length} open; results in ${output}`,
);
if (interrupting.signal.aborted) process.exit(130);
if (count('failed') > 0) process.exit(1);
