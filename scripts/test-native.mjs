// Builds the stand-alone tests of the native code with CMake, with or without sanitizers, and runs them; no addon and no
// instrumented Node is involved. With a target they are compiled for another processor and run where qemu-user is.
// Closes with the line "N passed, N failed".
import { spawn, spawnSync } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const sanitizers = ['address', 'undefined', 'thread'];
const targets = ['aarch64'];
const usage =
  'usage: node scripts/test-native.mjs [--sanitize=address,undefined | --sanitize=thread] [--target=aarch64] [name part]...';

function fail(message, status = 1) {
  console.error(`test-native: ${message}`);
  process.exit(status);
}

/** The sanitizers asked for, in a fixed order, the processor if it is another one, and which tests to run. */
function readArguments() {
  let parsed;
  try {
    const options = { sanitize: { type: 'string', default: '' }, target: { type: 'string' } };
    parsed = parseArgs({ options, allowPositionals: true });
  } catch (error) {
    fail(`${error.message.split('. ')[0]}\n${usage}`, 2);
  }
  const asked = parsed.values.sanitize === '' ? [] : parsed.values.sanitize.split(',');
  const unknown = asked.find((name) => !sanitizers.includes(name));
  if (unknown !== undefined) {
    fail(`--sanitize: expected ${sanitizers.join(', ')}, received "${unknown}"\n${usage}`, 2);
  }
  if (asked.includes('thread') && asked.includes('address')) {
    fail(`--sanitize: thread and address cannot be combined\n${usage}`, 2);
  }
  const { target } = parsed.values;
  if (target !== undefined && !targets.includes(target)) {
    fail(`--target: expected ${targets.join(', ')}, received "${target}"\n${usage}`, 2);
  }
  return { sanitize: sanitizers.filter((name) => asked.includes(name)), target, filters: parsed.positionals };
}

const works = (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;

function checkTools() {
  const packages =
    {
      linux: target
        ? `Debian/Ubuntu: apt install cmake make g++-${target}-linux-gnu`
        : 'Debian/Ubuntu: apt install cmake make g++; Fedora: dnf install cmake make gcc-c++',
      darwin: 'run: xcode-select --install, and install CMake from https://cmake.org or Homebrew',
    }[process.platform] ?? 'see https://cmake.org/download';
  const compilers = target
    ? [crossCompiler]
    : process.env.CXX
      ? [process.env.CXX.split(' ')[0]]
      : ['c++', 'g++', 'clang++'];
  const missing = [];
  if (!works('cmake')) missing.push('cmake (3.19 or newer)');
  if (!works('make')) missing.push('make');
  if (!compilers.some(works)) missing.push(`a C++17 compiler (${compilers.join(' or ')})`);
  if (missing.length > 0) fail(`${missing.join(' and ')} not found; ${packages}`);
}

function run(command, args) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 28 });
  if (status === 0) return;
  process.stderr.write(`${stdout ?? ''}${stderr ?? ''}`);
  fail(`${command} ${args[0]} failed (output above)`);
}

const { sanitize, target, filters } = readArguments();
const crossCompiler = `${target}-linux-gnu-g++`;
const emulator = `qemu-${target}`;
checkTools();

const build = path.join(root, ['build-native', ...sanitize, target].filter(Boolean).join('-'));
const cache = {
  CMAKE_BUILD_TYPE: sanitize.length > 0 ? 'RelWithDebInfo' : 'Release',
  BURGEON_SANITIZE: sanitize.join(','),
  ...(target && {
    CMAKE_SYSTEM_NAME: 'Linux',
    CMAKE_SYSTEM_PROCESSOR: target,
    CMAKE_CXX_COMPILER: crossCompiler,
  }),
};
console.error(`test-native: building in ${path.relative(root, build)}/`);
run('cmake', ['-S', root, '-B', build, ...Object.entries(cache).map(([key, value]) => `-D${key}=${value}`)]);
run('cmake', ['--build', build, '--target', 'burgeon_native_tests', '--parallel', String(os.availableParallelism())]);

if (target && !works(emulator)) {
  console.log(`compiled for ${target}, not run: ${emulator} not found; Debian/Ubuntu: apt install qemu-user`);
  process.exit(0);
}

// What the environment says comes last and wins.
const options = (name, value) => ({ [name]: [value, process.env[name]].filter(Boolean).join(':') });
const env = {
  ...process.env,
  ...(target && { BURGEON_EMULATED: '1' }),
  // Apple's clang has no leak detection and refuses the option. GCC 12's guesses where thread-local variables of loaded
  // libraries lie, at times wrongly, and then crashes while it looks for leaks; it need not look there.
  ...(process.platform === 'linux' ? options('ASAN_OPTIONS', 'detect_leaks=1:intercept_tls_get_addr=0') : {}),
  ...options('UBSAN_OPTIONS', 'print_stacktrace=1:halt_on_error=1'),
  ...options('TSAN_OPTIONS', 'halt_on_error=1:second_deadlock_stack=1'),
};
const tests = [path.join(build, 'burgeon_native_tests'), ...filters];
const [command, ...args] = target ? [emulator, '-L', `/usr/${target}-linux-gnu`, ...tests] : tests;
const program = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
const done = new Promise((resolve) => {
  program.on('error', (error) => resolve(error.message));
  program.on('close', (code, signal) => resolve(signal ?? code));
});

let passed = 0;
let summary = '';
for await (const line of createInterface({ input: program.stdout })) {
  if (line.startsWith('ok ')) passed++;
  if (/^\d+ passed, \d+ failed$/.test(line)) summary = line;
  else console.log(line);
}
const status = await done;
if (summary === '' || (status !== 0 && passed > 0 && summary.endsWith(' 0 failed'))) {
  // A sanitizer or a crash ended the program: what it was doing then, or found at its end, is the failure.
  console.log(
    `the test program ended early or with a finding: ${typeof status === 'number' ? `exit status ${status}` : status}`,
  );
  summary = `${passed} passed, 1 failed`;
}
console.log(summary);
process.exit(status === 0 ? 0 : 1);
