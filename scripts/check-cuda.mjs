// Compiles every CUDA kernel for every target and compares what ptxas says about it with native/kernels/cuda/budget.json
// (npm run check:cuda; -- --update writes that file anew; -- linear norm looks at these ops alone). No kernel may use local memory: no stack, no spills. None may
// take more registers or shared memory than its budget, which holds for the compiler it was written with; another one
// is checked for local memory alone. Needs no GPU.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { findNvcc, kernelSources, root, targetsOf } from './nvcc.mjs';

const budgetFile = path.join(root, 'native', 'kernels', 'cuda', 'budget.json');

function fail(message, status = 1) {
  console.error(`check:cuda: ${message}`);
  process.exit(status);
}

/** Products, which several ops share, are looked at with those. */
const isOf = (op, file) =>
  path.basename(path.dirname(file)) === op || (path.basename(file).startsWith('product') && /^(linear|mlp)$/.test(op));

/** Whether to write the budget, and which sources to compile. */
function readArguments(targets) {
  const usage = 'usage: npm run check:cuda [-- --update | -- OP...]';
  let parsed;
  try {
    parsed = parseArgs({ options: { update: { type: 'boolean', default: false } }, allowPositionals: true });
  } catch (error) {
    fail(`${error.message.split('. ')[0]}\n${usage}`, 2);
  }
  const { update } = parsed.values;
  const ops = parsed.positionals;
  const all = kernelSources(targets);
  const sources = ops.length === 0 ? all : all.filter(({ file }) => ops.some((op) => isOf(op, file)));
  const unknown = ops.find((op) => !all.some(({ file }) => isOf(op, file)));
  if (unknown !== undefined) fail(`there are no kernels of "${unknown}"\n${usage}`, 2);
  if (update && ops.length > 0) fail(`a budget is of all kernels\n${usage}`, 2);
  return { update, sources, all: ops.length === 0 };
}

/** What a command wrote to stderr; the process ends where it fails. */
function outputOf(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'pipe'] });
    let text = '';
    child.stderr.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
    });
    child.on('error', (error) => fail(`${command}: ${error.message}`));
    child.on('close', (status) => (status === 0 ? resolve(text) : fail(`${args.at(-1)} does not compile:\n${text}`)));
  });
}

/** "void burgeon::cuda::(anonymous namespace)::norm_kernel<float, 4>(float*, ...)" without all that is the same. */
function shortName(name) {
  const bare = name.replace(/\(anonymous namespace\)::|burgeon::cuda::|burgeon::|^void /g, '');
  let depth = 0;
  for (let i = 0; i < bare.length; i++) {
    if (bare[i] === '<') depth++;
    if (bare[i] === '>') depth--;
    if (bare[i] === '(' && depth === 0) return bare.slice(0, i);
  }
  return bare;
}

/** [{ kernel, target, registers, shared, stack, spills }] of the output of ptxas. */
function parse(output) {
  const { status, stdout } = spawnSync('c++filt', { input: output, encoding: 'utf8', maxBuffer: 2 ** 28 });
  if (status !== 0) fail('c++filt not found; it comes with binutils');
  const found = [];
  for (const part of stdout.split('Compiling entry function ').slice(1)) {
    const [, name, target] = /^'(.*)' for '(.*)'/.exec(part);
    const [, stack, stores, loads] = /(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads/.exec(
      part,
    );
    const registers = /Used (\d+) registers/.exec(part)[1];
    const shared = /(\d+) bytes smem/.exec(part)?.[1] ?? 0;
    found.push({
      kernel: shortName(name),
      target,
      registers: Number(registers),
      shared: Number(shared),
      stack: Number(stack),
      spills: Number(stores) + Number(loads),
    });
  }
  return found;
}

async function compileAll(nvcc, sources) {
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'burgeon-cuda-'));
  const options = ['-std=c++17', '-O3', '-Inative', '-Xptxas=-v', '-Werror=all-warnings'];
  const waiting = [...sources];
  const found = [];
  const work = async () => {
    for (let source = waiting.shift(); source !== undefined; source = waiting.shift()) {
      const { file, targets } = source;
      const object = path.join(scratch, `${path.basename(file)}.o`);
      const architectures = targets.map((name) => `-gencode=arch=compute_${name},code=sm_${name}`);
      const output = await outputOf(nvcc, [...options, ...architectures, '-o', object, '-c', file]);
      // ptxas says so where accumulators are touched before products are waited for, in whatever words.
      if (/wgmma.*serializ/i.test(output)) fail(`${file}: products of warpgroups do not overlap:\n${output}`);
      found.push(...parse(output));
    }
  };
  try {
    await Promise.all(Array.from({ length: os.availableParallelism() }, work));
  } finally {
    rmSync(scratch, { recursive: true });
  }
  return found.sort((a, b) => (a.kernel + a.target < b.kernel + b.target ? -1 : 1));
}

/** One line per kernel: { "sm_80": [registers, shared bytes], ... }. */
function budgetText(release, found) {
  const lines = new Map();
  for (const { kernel, target, registers, shared } of found) {
    if (!lines.has(kernel)) lines.set(kernel, []);
    lines.get(kernel).push(`"${target}": [${registers}, ${shared}]`);
  }
  const kernels = [...lines].map(([kernel, entries]) => `    ${JSON.stringify(kernel)}: { ${entries.join(', ')} }`);
  return [
    '{',
    '  "about": "Registers of a thread and bytes of static shared memory of a block; see scripts/check-cuda.mjs",',
    `  "toolkit": "${release}",`,
    '  "kernels": {',
    kernels.join(',\n'),
    '  }',
    '}',
    '',
  ].join('\n');
}

/** [[kernel, target, what is wrong], ...], of what must not be and of what the budget may be lowered to. */
function differences(release, found, budget, all) {
  const wrong = [];
  const lower = [];
  const sameCompiler = budget.toolkit === release;
  const seen = new Set();
  for (const { kernel, target, registers, shared, stack, spills } of found) {
    seen.add(`${kernel} ${target}`);
    if (stack + spills > 0) wrong.push([kernel, target, `${stack} bytes of stack, ${spills} bytes of spills`]);
    const allowed = budget.kernels[kernel]?.[target];
    if (!allowed) {
      wrong.push([kernel, target, 'has no budget']);
    } else if (sameCompiler) {
      const list = registers > allowed[0] || shared > allowed[1] ? wrong : lower;
      if (registers !== allowed[0]) list.push([kernel, target, `${registers} registers, budget ${allowed[0]}`]);
      if (shared !== allowed[1]) list.push([kernel, target, `${shared} bytes of shared memory, budget ${allowed[1]}`]);
    }
  }
  const targets = new Set(found.map(({ target }) => target));
  for (const [kernel, entries] of all ? Object.entries(budget.kernels) : []) {
    for (const target of Object.keys(entries)) {
      if (targets.has(target) && !seen.has(`${kernel} ${target}`))
        wrong.push([kernel, target, 'is in the budget only']);
    }
  }
  return { wrong, lower };
}

function printTable(rows) {
  const width = (column) => Math.max(...rows.map((row) => row[column].length));
  for (const [kernel, target, what] of rows) {
    console.log(`  ${kernel.padEnd(width(0))}  ${target.padEnd(width(1))}  ${what}`);
  }
}

const { nvcc, release, missing } = findNvcc();
const targets = missing ? [] : targetsOf(release);
const { update, sources, all } = readArguments(targets);
if (missing) fail(missing);
const found = await compileAll(nvcc, sources);
const kernels = new Set(found.map(({ kernel }) => kernel)).size;
const summary = `${kernels} kernels for ${targets.map((name) => `sm_${name}`).join(', ')}, CUDA ${release}`;
if (update) {
  const local = found.filter(({ stack, spills }) => stack + spills > 0);
  if (local.length > 0) {
    printTable(
      local.map(({ kernel, target, stack, spills }) => [
        kernel,
        target,
        `${stack} bytes of stack, ${spills} of spills`,
      ]),
    );
    fail('kernels use local memory; no budget allows that');
  }
  writeFileSync(budgetFile, budgetText(release, found));
  console.log(`${path.relative(root, budgetFile)}: ${summary}`);
} else {
  if (!existsSync(budgetFile)) fail(`${budgetFile} does not exist; npm run check:cuda -- --update writes it`);
  const budget = JSON.parse(readFileSync(budgetFile, 'utf8'));
  const { wrong, lower } = differences(release, found, budget, all);
  if (lower.length > 0) {
    console.log('below the budget (npm run check:cuda -- --update lowers it):');
    printTable(lower);
  }
  if (wrong.length > 0) {
    console.log('beyond the budget:');
    printTable(wrong);
    fail(`${wrong.length} differences; where they are meant, npm run check:cuda -- --update`);
  }
  if (budget.toolkit !== release) console.log(`the budget is of CUDA ${budget.toolkit}: only local memory was checked`);
  console.log(`${summary}: no local memory, within the budget`);
}
