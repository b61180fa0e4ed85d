// Builds the CPU addon with CMake through cmake-js, into build-cmake/ (npm run build:cmake), and loads it once. For
// those who work with CMake; npm install uses node-gyp (scripts/install.mjs), and both read native/sources.json. Fetches
// nothing: the Node-API headers are those of the node-api-headers package that cmake-js brings along.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const out = path.join(root, 'build-cmake');

function fail(message, status = 1) {
  console.error(`build:cmake: ${message}`);
  process.exit(status);
}

function readArguments() {
  try {
    return parseArgs({ options: { debug: { type: 'boolean', default: false } } }).values;
  } catch (error) {
    return fail(`${error.message.split('. ')[0]}\nusage: npm run build:cmake [-- --debug]`, 2);
  }
}

const { debug } = readArguments();
let cmakeJs;
try {
  cmakeJs = path.join(path.dirname(require.resolve('cmake-js/package.json')), 'bin', 'cmake-js');
} catch {
  fail('cmake-js is not installed; run npm ci first');
}
const args = ['compile', '--out', out, '--parallel', String(os.availableParallelism()), ...(debug ? ['--debug'] : [])];
const build = spawnSync(process.execPath, [cmakeJs, ...args], { cwd: root, stdio: 'inherit' });
if (build.status !== 0)
  fail('the build failed (output above); it needs cmake 3.19 or newer, make or ninja, and a C++17 compiler');

const file = path.join(out, debug ? 'Debug' : 'Release', 'burgeon.node');
const addon = require(file);
const { version } = require('../package.json');
if (addon.version !== version) fail(`${file} says version ${addon.version}, this package is ${version}`);
console.log(`${path.relative(root, file)}: burgeon ${addon.version}, best instruction set ${addon.bestIsa}`);
