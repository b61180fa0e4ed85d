// Builds the CPU addon with node-gyp: run by npm install, and by hand after a change to native/ (npm run build:native).
// Says what to install when a tool is missing, uses Node's installed headers where there are any, and touches the
// network only where there are none (node-gyp then fetches them).
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { installedHeaders } from './node-headers.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);

const packages =
  {
    linux: 'Debian/Ubuntu: apt install g++ make python3; Fedora: dnf install gcc-c++ make python3',
    darwin: 'run: xcode-select --install',
  }[process.platform] ?? 'see https://github.com/nodejs/node-gyp#installation';

function works(command, args) {
  const result = spawnSync(command, args, { stdio: 'ignore' });
  return !result.error && result.status === 0;
}

const missing = [
  {
    name: 'a C++17 compiler',
    ok: works(process.env.CXX?.split(' ')[0] ?? 'c++', ['--version']) || works('g++', ['--version']),
  },
  { name: 'make', ok: works('make', ['--version']) },
  { name: 'python3', ok: works(process.env.npm_config_python ?? 'python3', ['--version']) },
].filter((tool) => !tool.ok);

if (missing.length > 0) {
  console.error(`burgeon: cannot build the native addon: ${missing.map((tool) => tool.name).join(', ')} not found.`);
  console.error(`burgeon: install what is missing (${packages}), then run the install again.`);
  process.exit(1);
}

const headers = installedHeaders();
// Not `rebuild`: after a change only what depends on it is compiled again.
const args = [
  'configure',
  'build',
  `--jobs=${os.availableParallelism()}`,
  ...(headers ? [`--nodedir=${headers}`] : []),
];
const debug = process.argv.includes('--debug');
if (debug) args.push('--debug');
const gyp = path.join(path.dirname(require.resolve('node-gyp/package.json')), 'bin', 'node-gyp.js');
const build = spawnSync(process.execPath, [gyp, ...args], {
  cwd: root,
  stdio: ['ignore', 'pipe', 'pipe'],
  encoding: 'utf8',
  maxBuffer: 2 ** 28,
});
if (build.status !== 0) {
  process.stderr.write(build.stdout ?? '');
  process.stderr.write(build.stderr ?? '');
  console.error(
    `burgeon: building the native addon failed (output above). It needs a C++17 compiler, make and python3: ${packages}`,
  );
  process.exit(1);
}
