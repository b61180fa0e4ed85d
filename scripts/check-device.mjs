// Everything that is to be known of a device, one command after the other, each with its JSON and what it printed in a folder:
// what the machine is, whether the device computes what it should, and how fast it is. Goes on after a failure and exits with 1.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const usage = 'usage: node scripts/check-device.mjs [--device cuda:0] [--output FOLDER] [--tiny]';

function readArguments() {
  const options = {
    device: { type: 'string', default: 'cuda' },
    output: { type: 'string', default: 'device-check' },
    tiny: { type: 'boolean', default: false },
  };
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    console.error(`check-device: ${error.message.split('. ')[0]}\n${usage}`);
    return process.exit(2);
  }
}

const { device, output, tiny } = readArguments();
const on = ['--device', device];
const size = tiny ? ['--tiny', '--rounds', '1'] : [];
const models = tiny ? ['tiny'] : ['gpt2-16x1024', 'tinyllama-8x2048'];
/** Name of the files, the command, and what its environment has; all but doctor write JSON themselves. */
const commands = [
  ['doctor', ['doctor', '--json']],
  ['selfcheck', ['selfcheck', ...on, ...(tiny ? ['--quick'] : [])]],
  ['selfcheck-own-products', ['selfcheck', ...on, ...(tiny ? ['--quick'] : [])], { BURGEON_CUBLASLT: 'off' }],
  ['peak', ['bench', 'peak', ...on, ...size]],
  ...models.map((model) => [`ops-${model}`, ['bench', 'ops', '--model', model, '--cold', ...on, ...size]]),
  ['model', ['bench', 'model', ...on, ...size]],
];

mkdirSync(output, { recursive: true });
const file = (name) => path.join(output, name);
const rows = [];
for (const [name, args, own = {}] of commands) {
  const json = file(`${name}.json`);
  const full = name === 'doctor' ? args : [...args, '--json', json];
  const shown = [...Object.entries(own).map(([key, value]) => `${key}=${value}`), 'burgeon', ...full].join(' ');
  console.log(`> ${shown}`);
  const start = performance.now();
  const command = [path.join(root, 'dist', 'cli', 'main.js'), ...full];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, command, {
    encoding: 'utf8',
    env: { ...process.env, ...own },
    maxBuffer: 2 ** 28,
  });
  const seconds = (performance.now() - start) / 1000;
  const result = status === 0 ? 'passed' : `failed (${signal ?? `exit status ${status}`})`;
  writeFileSync(name === 'doctor' ? json : file(`${name}.txt`), stdout);
  if (stderr) writeFileSync(file(`${name}.errors.txt`), stderr);
  if (status !== 0) process.stderr.write(stderr);
  rows.push({ name, command: shown, result, seconds: Number(seconds.toFixed(1)) });
  console.log(`  ${result}, ${seconds.toFixed(1)} s`);
}
writeFileSync(
  file('summary.json'),
  `${JSON.stringify({ date: new Date().toISOString(), device, tiny, rows }, null, 2)}\n`,
);
const failed = rows.filter(({ result }) => result !== 'passed');
console.log(`${rows.length - failed.length} of ${rows.length} passed; results in ${output}`);
if (failed.length > 0) process.exit(1);
