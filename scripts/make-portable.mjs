// Makes a folder that runs burgeon on a Linux machine that has a GPU, its driver and nothing else: the program, its addon, the
// CUDA library, the packages it needs and the node binary that runs this. No registry and no compiler are needed there.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const usage = 'usage: node scripts/make-portable.mjs [--output FOLDER] [--archive]';

function fail(message, status = 1) {
  console.error(`make-portable: ${message}`);
  process.exit(status);
}

function readArguments() {
  const options = {
    output: { type: 'string', default: 'build/portable' },
    archive: { type: 'boolean', default: false },
  };
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    return fail(`${error.message.split('. ')[0]}\n${usage}`, 2);
  }
}

const readPackage = (folder) => JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));

/** Folders of a package's packages and of theirs, where they are installed: relative to the root. */
function packagesOf(folder, found = new Set()) {
  const { dependencies = {}, optionalDependencies = {} } = readPackage(folder);
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
    let place = folder;
    while (!existsSync(path.join(place, 'node_modules', name)) && place !== root) place = path.dirname(place);
    const installed = path.join(place, 'node_modules', name);
    if (!existsSync(installed)) {
      if (name in optionalDependencies) continue;
      fail(`${path.relative(root, installed)} is not there; run npm ci first`);
    }
    if (found.has(installed)) continue;
    found.add(installed);
    packagesOf(installed, found);
  }
  return found;
}

function bytesOf(place) {
  const status = statSync(place);
  if (!status.isDirectory()) return status.size;
  return readdirSync(place).reduce((sum, name) => sum + bytesOf(path.join(place, name)), 0);
}

const { output, archive } = readArguments();
const out = path.resolve(root, output);
const cuda = path.resolve(process.env.BURGEON_CUDA_LIBRARY || path.join(root, 'build', 'cuda', 'libburgeon_cuda.so'));
const needed = [
  [path.join(root, 'dist', 'cli', 'main.js'), 'npm run build:ts'],
  [path.join(root, 'build', 'Release', 'burgeon.node'), 'npm run build:native'],
  [cuda, 'npm run build:cuda'],
];
for (const [file, command] of needed) if (!existsSync(file)) fail(`${file} is not there; make it with: ${command}`);
if (existsSync(out) && !existsSync(path.join(out, 'dist')) && readdirSync(out).length > 0) {
  fail(`${out} has something else in it; give another folder with --output`);
}

rmSync(out, { recursive: true, force: true });
const program = ['package.json', 'LICENSE', 'dist', 'configs', 'docs', 'lib/tokenizer/gpt2-merges.bin'];
// What checks a device there, beside PyTorch where that machine has it; docs are also text to train on.
const scripts = ['check-device.mjs', 'check-device', 'sanitize-cuda.mjs'].map((name) => `scripts/${name}`);
const rivals = ['device', 'gpt2', 'llama'].map((name) => `bench/compare/pytorch_${name}.py`);
for (const name of [...program, 'build/Release/burgeon.node', ...scripts, ...rivals]) {
  cpSync(path.join(root, name), path.join(out, name), { recursive: true });
}
for (const folder of packagesOf(root)) {
  const inner = path.join(folder, 'node_modules');
  const filter = (source) => source !== inner && !source.startsWith(inner + path.sep);
  cpSync(folder, path.join(out, path.relative(root, folder)), { recursive: true, dereference: true, filter });
}
mkdirSync(path.join(out, 'build', 'cuda'), { recursive: true });
cpSync(cuda, path.join(out, 'build', 'cuda', 'libburgeon_cuda.so'));
mkdirSync(path.join(out, 'bin'));
cpSync(process.execPath, path.join(out, 'bin', 'node'));
const launcher = path.join(out, 'burgeon');
writeFileSync(
  launcher,
  '#!/bin/sh\nhere=$(dirname "$(readlink -f "$0")")\nexec "$here/bin/node" "$here/dist/cli/main.js" "$@"\n',
);
chmodSync(launcher, 0o755);

const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
const { name, version } = readPackage(root);
console.log(
  `${out}: ${name} ${version} with ${path.basename(cuda)}, node ${process.version}, ${megabytes(bytesOf(out))}`,
);
if (archive) {
  const file = `${out}.tar.gz`;
  const { status, error } = spawnSync('tar', ['-czf', file, '-C', path.dirname(out), path.basename(out)]);
  if (status !== 0) fail(`tar failed${error ? `: ${error.message}` : ''}`);
  console.log(`${file}: ${megabytes(bytesOf(file))}`);
}
console.log(`there: ./bin/node scripts/check-device.mjs, and ./burgeon as everywhere else`);
