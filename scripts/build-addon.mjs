// Builds the CPU addon with node-gyp, into build/: run by npm ci in a clone, by hand after a change to native/ (npm run
// build:native), and by burgeon build. Says what to install when a tool is missing, uses Node's installed headers where
// there are any, and touches the network only where there are none (node-gyp then fetches them).
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { installedHeaders } from './node-headers.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);

const packages =
  {
    linux: 'Debian/Ubuntu: apt install g++ make python3; Fedora: dnf install gcc-c++ make python3',
    darwin: 'run: xcode-select --install',
  }[process.platform] ?? 'see https://github.com/nodejs/node-gyp#installation';

function fail(message, status = 1) {
  console.error(`burgeon: ${message}`);
  process.exit(status);
}

function readArguments() {
  const options = { debug: { type: 'boolean', default: false }, clean: { type: 'boolean', default: false } };
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    return fail(`${error.message.split('. ')[0]}\nusage: npm run build:native [-- --debug] [--clean]`, 2);
  }
}

function works(command, args) {
  const result = spawnSync(command, args, { stdio: 'ignore' });
  return !result.error && result.status === 0;
}

function requireTools() {
  const python = process.env.npm_config_python ?? 'python3';
  const compiler = process.env.CXX?.split(' ')[0] ?? 'c++';
  const missing = [
    { name: 'a C++17 compiler', ok: works(compiler, ['--version']) || works('g++', ['--version']) },
    { name: 'make', ok: works('make', ['--version']) },
    { name: 'python3', ok: works(python, ['--version']) },
  ].filter((tool) => !tool.ok);
  if (missing.length === 0) return;
  console.error(`burgeon: cannot build the native addon: ${missing.map((tool) => tool.name).join(', ')} not found.`);
  fail(`install what is missing (${packages}), then build again.`);
}

/** Files that a whole build compiles. */
function countFiles() {
  const { engine, perIsa, addon } = JSON.parse(readFileSync(path.join(root, 'native', 'sources.json'), 'utf8'));
  const instructionSets = process.arch === 'x64' ? 5 : 1;
  return engine.length + addon.length + perIsa.length * instructionSets;
}

/** Runs node-gyp, whose output is shown only when it fails: [its exit status, the output]. */
async function build({ debug }) {
  const headers = installedHeaders();
  const gyp = path.join(path.dirname(require.resolve('node-gyp/package.json')), 'bin', 'node-gyp.js');
  // Not `rebuild`: after a change only what depends on it is compiled again.
  const args = ['configure', 'build', `--jobs=${os.availableParallelism()}`];
  if (headers) args.push(`--nodedir=${headers}`);
  if (debug) args.push('--debug');
  const child = spawn(process.execPath, [gyp, ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  const total = countFiles();
  let compiled = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    output += `${line}\n`;
    if (!line.trimStart().startsWith('CXX(')) continue;
    compiled += 1;
    if (process.stderr.isTTY) process.stderr.write(`\rcompiling the addon, ${compiled} of ${total} files `);
    else if (compiled % 26 === 0) console.error(`compiling the addon, ${compiled} of ${total} files`);
  }
  if (process.stderr.isTTY && compiled > 0) process.stderr.write('\r\x1b[K');
  const status = child.exitCode ?? (await new Promise((resolve) => child.once('close', resolve)));
  return { status, output };
}

/** Leaves the addon alone of what the compiler wrote. */
function removeObjects() {
  const folder = path.join(root, 'build');
  for (const name of readdirSync(folder)) {
    if (!['Release', 'Debug', 'cuda'].includes(name)) rmSync(path.join(folder, name), { recursive: true });
  }
  for (const kind of ['Release', 'Debug']) {
    for (const name of readdirSync(folder).includes(kind) ? readdirSync(path.join(folder, kind)) : []) {
      if (name !== 'burgeon.node') rmSync(path.join(folder, kind, name), { recursive: true });
    }
  }
}

const options = readArguments();
requireTools();
const { status, output } = await build(options);
if (status !== 0) {
  process.stderr.write(output);
  fail(`building the native addon failed (output above). It needs a C++17 compiler, make and python3: ${packages}`);
}
if (options.clean) removeObjects();
