// Makes the packages of a release in build-release/packages/: burgeon, which is TypeScript only; a package with the
// compiled addon for every platform, of which a package manager installs the one that fits; the library of the CUDA
// backend; and the sources, for every other machine. Publishes nothing.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../nvcc.mjs';
import { buildAddon } from './zig.mjs';

const usage = 'usage: npm run release [-- --platform NAME ... | --host] [--cuda] [--output FOLDER]';
const readJson = (file) => JSON.parse(readFileSync(path.join(root, file), 'utf8'));
const platforms = readJson('scripts/release/platforms.json');
const manifest = readJson('package.json');
const { version } = manifest;

/** Of the repository's package.json: what each package says of itself. */
const common = {
  version,
  license: manifest.license,
  ...(manifest.repository && { repository: manifest.repository }),
  engines: manifest.engines,
};

const cudaPackage = {
  name: '@burgeon/linux-x64-cuda',
  description: 'The CUDA backend of burgeon for Linux on x64',
  os: ['linux'],
  cpu: ['x64'],
  libc: ['glibc'],
};

function fail(message, status = 1) {
  console.error(`release: ${message}`);
  process.exit(status);
}

function readArguments() {
  const options = {
    platform: { type: 'string', multiple: true, default: [] },
    host: { type: 'boolean', default: false },
    cuda: { type: 'boolean', default: false },
    output: { type: 'string', default: 'build-release/packages' },
  };
  try {
    const { values } = parseArgs({ options });
    const unknown = values.platform.find((name) => !platforms.some((platform) => platform.name === name));
    if (unknown) throw new Error(`no such platform: ${unknown}, expected ${platforms.map((p) => p.name).join(', ')}`);
    return values;
  } catch (error) {
    return fail(`${error.message}\n${usage}`, 2);
  }
}

const { platform: only, host, cuda, output } = readArguments();
const out = path.resolve(root, output);
const staging = path.join(out, 'staging');

/** Packs a package of these files, [where they are, their name in the package]; returns the tarball. */
function pack(description, files) {
  const folder = path.join(staging, description.name.replace('/', '-'));
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify(description, null, 2)}\n`);
  for (const [from, to] of [...files, ['LICENSE', 'LICENSE']]) {
    cpSync(path.resolve(root, from), path.join(folder, to), { recursive: true, dereference: true });
  }
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', out];
  const packed = spawnSync('npm', args, { cwd: folder, encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (packed.status !== 0) fail(`npm pack in ${folder} failed:\n${packed.stderr}`);
  const result = JSON.parse(packed.stdout);
  const { filename, size, unpackedSize } = Array.isArray(result) ? result[0] : Object.values(result)[0];
  const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
  console.log(`${filename.padEnd(38)} ${megabytes(size).padStart(8)}, ${megabytes(unpackedSize)} installed`);
}

function writeReadme(name, text) {
  const file = path.join(staging, `${name.replace('/', '-')}.md`);
  writeFileSync(file, `# ${name}\n\n${text}\n`);
  return [file, 'README.md'];
}

function packPlatform({ name, os, cpu, libc }, addon) {
  const full = `@burgeon/${name}`;
  const described = {
    ...{ name: full, ...common, description: `The compiled part of burgeon for ${name}` },
    ...{ main: 'burgeon.node', files: ['burgeon.node'], preferUnplugged: true },
    ...{ os: [os], cpu: [cpu], ...(libc && { libc: [libc] }) },
  };
  const readme = writeReadme(
    full,
    `The addon of [burgeon](https://www.npmjs.com/package/burgeon), compiled for ${name}. Installed with it, not by hand.`,
  );
  pack(described, [[addon, 'burgeon.node'], readme]);
}

function packCuda() {
  const library = path.join(root, 'build', 'cuda', 'libburgeon_cuda.so');
  if (!existsSync(library)) fail('build/cuda/libburgeon_cuda.so is not there; make it with: npm run build:cuda');
  const readme = writeReadme(
    cudaPackage.name,
    'The CUDA backend of [burgeon](https://www.npmjs.com/package/burgeon). It needs a driver of NVIDIA and no toolkit. Installed with burgeon, not by hand.',
  );
  pack({ ...cudaPackage, ...common, files: ['*.so'], preferUnplugged: true }, [
    [library, 'libburgeon_cuda.so'],
    readme,
  ]);
}

// Below a folder of its own, as package managers would build a package that has a binding.gyp at its top.
const sources = ['native', 'binding.gyp', 'CMakeLists.txt', 'package.json'];
const builders = ['build-addon.mjs', 'build-cuda.mjs', 'node-headers.mjs', 'nvcc.mjs'].map((name) => `scripts/${name}`);

function packSource() {
  const { 'node-gyp': gyp, 'node-addon-api': api } = manifest.devDependencies;
  const name = '@burgeon/source';
  const described = {
    ...{ name, ...common, description: 'The sources of the compiled part of burgeon, for burgeon build' },
    dependencies: { 'node-addon-api': api, 'node-gyp': gyp },
    files: ['source', '!source/native/test', '!source/native/kernels/cuda/host'],
    preferUnplugged: true,
  };
  const readme = writeReadme(
    name,
    'For machines that no package of [burgeon](https://www.npmjs.com/package/burgeon) was compiled for: install this beside it, then `npx burgeon build`.',
  );
  pack(described, [...[...sources, ...builders].map((file) => [file, `source/${file}`]), readme]);
}

function packMain() {
  const { scripts: _, devDependencies: __, gypfile: ___, binary: ____, ...published } = manifest;
  const natives = [...platforms.map(({ name }) => `@burgeon/${name}`), cudaPackage.name];
  published.optionalDependencies = {
    ...Object.fromEntries(natives.map((name) => [name, version])),
    ...published.optionalDependencies,
  };
  pack(
    published,
    [...manifest.files, 'README.md'].map((file) => [file, file]),
  );
}

rmSync(path.join(root, 'dist'), { recursive: true, force: true }); // files whose source is gone
const built = spawnSync('npm', ['run', '-s', 'build:ts'], { cwd: root, stdio: 'inherit' });
if (built.status !== 0) fail('the TypeScript does not compile (output above)');
rmSync(out, { recursive: true, force: true });
mkdirSync(staging, { recursive: true });
packMain();
packSource();
if (cuda) packCuda();
for (const platform of platforms) {
  const isHost = platform.os === process.platform && platform.cpu === process.arch && platform.libc !== 'musl';
  if (host ? !isHost : only.length > 0 && !only.includes(platform.name)) continue;
  packPlatform(platform, host ? path.join(root, 'build', 'Release', 'burgeon.node') : buildAddon(platform));
}
rmSync(staging, { recursive: true });
console.log(`in ${out}; to be published in this order: platforms, sources, burgeon`);
