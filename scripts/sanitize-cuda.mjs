// Runs every op and whole training steps, at tiny sizes, under the tools of NVIDIA's compute-sanitizer: memcheck, racecheck,
// initcheck and synccheck. Says what it skips, where the tool is missing or refuses the device; exits with 1 on any finding.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const main = path.join(root, 'dist', 'cli', 'main.js');
const usage = 'usage: node scripts/sanitize-cuda.mjs [memcheck] [racecheck] [initcheck] [synccheck]';
const tools = ['memcheck', 'racecheck', 'initcheck', 'synccheck'];
const commands = [
  ['bench', 'ops', '--device', 'cuda', '--tiny', '--rounds', '1'],
  ['bench', 'model', '--device', 'cuda', '--tiny', '--rounds', '1'],
];

// Launched one by one: a tool names the kernel of a finding, and not a graph.
const env = { ...process.env, BURGEON_CUDA_GRAPHS: 'off' };
const run = (command, args) => spawnSync(command, args, { encoding: 'utf8', env, maxBuffer: 2 ** 28 });

function findSanitizer() {
  const homes = [process.env.CUDA_HOME, process.env.CUDA_PATH, '/usr/local/cuda'].filter(Boolean);
  const places = homes.flatMap((home) => ['bin', 'compute-sanitizer'].map((folder) => path.join(home, folder)));
  const files = places.map((folder) => path.join(folder, 'compute-sanitizer')).filter((file) => existsSync(file));
  return ['compute-sanitizer', ...files].find((file) => run(file, ['--version']).status === 0);
}

/** What the tool counted, or why it counted nothing. */
function check(sanitizer, tool, args) {
  const { status, stdout, stderr, error } = run(sanitizer, [
    '--tool',
    tool,
    '--error-exitcode',
    '9',
    process.execPath,
    main,
    ...args,
  ]);
  const output = `${stdout ?? ''}${stderr ?? ''}`;
  const counts = [...output.matchAll(/^=+ \w+ SUMMARY: (\d+) /gm)].map(([, count]) => Number(count));
  const findings = counts.reduce((sum, count) => sum + count, 0);
  if (findings > 0) return { result: 'FAILED', why: `${findings} findings`, output };
  if (counts.length > 0 && status === 0) return { result: 'passed' };
  // The command works without the tool: it has refused.
  const refusal = /^=+ (?:Error: )?(.*(?:not supported|unsupported|unable to|internal error|failed to).*)$/im.exec(
    output,
  )?.[1];
  if (refusal) return { result: 'SKIPPED', why: `the tool refuses: ${refusal}` };
  return { result: 'FAILED', why: error?.message ?? `exit status ${status}`, output };
}

const asked = process.argv.slice(2);
const unknown = asked.find((name) => !tools.includes(name));
if (unknown !== undefined) {
  console.error(`sanitize-cuda: expected ${tools.join(', ')}, received "${unknown}"\n${usage}`);
  process.exit(2);
}
const chosen = asked.length > 0 ? asked : tools;
const sanitizer = findSanitizer();
if (sanitizer === undefined) {
  for (const tool of chosen) {
    console.log(`${tool}: SKIPPED, compute-sanitizer not found (search path, CUDA_HOME, /usr/local/cuda)`);
  }
  process.exit();
}
for (const args of commands) {
  const { status, stderr } = run(process.execPath, [main, ...args]);
  if (status === 0) continue;
  console.error(`sanitize-cuda: without the tool already, this fails: burgeon ${args.join(' ')}\n${stderr}`);
  process.exit(1);
}
let failures = 0;
for (const tool of chosen) {
  for (const args of commands) {
    const { result, why, output } = check(sanitizer, tool, args);
    console.log(`${tool}, burgeon ${args.slice(0, 2).join(' ')}: ${result}${why ? `, ${why}` : ''}`);
    if (result !== 'FAILED') continue;
    failures++;
    console.log(output);
  }
}
if (failures > 0) process.exit(1);
