// Training steps of compiled PyTorch on the device, where a Python has a torch that sees it.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { root } from './commands.mjs';
import { figure, median } from './figures.mjs';
import { Outcome } from './outcome.mjs';

/** Pythons that may have it: the one named, those of the search path, and where images for GPUs have theirs. */
function pythons() {
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/opt/conda/bin', '/opt/venv/bin', '/venv/bin'];
  const found = folders.flatMap((folder) => ['python3', 'python'].map((name) => path.join(folder, name)));
  return [...new Set([process.env.BURGEON_PYTHON, ...found].filter((file) => file && existsSync(file)))];
}

/** The first Python whose torch has a device of this name at that index. */
function findTorch({ index, name }) {
  const program = `import torch; print(torch.cuda.get_device_name(${index}) if torch.cuda.device_count() > ${index} else "none")`;
  const tried = pythons().map((python) => {
    const { status, stdout, stderr } = spawnSync(python, ['-c', program], { encoding: 'utf8', timeout: 120_000 });
    if (status !== 0) return { python, why: stderr?.trim().split('\n').at(-1) || 'does not run' };
    const seen = stdout.trim().split('\n').at(-1);
    return seen === name ? { python } : { python, why: `its torch sees ${seen}` };
  });
  const found = tried.find(({ why }) => why === undefined);
  if (found) return found.python;
  const reasons = [...new Set(tried.map(({ why }) => why))].join('; ') || 'there is no Python';
  throw new Outcome('not run', `no Python with a torch that sees ${name}: ${reasons}. BURGEON_PYTHON names one`);
}

const denseMs = (file) => {
  const dense = JSON.parse(readFileSync(file, 'utf8')).entries.find(({ name }) => name === 'dense');
  return median(dense.samples);
};

/** One row of bench/compare/pytorch_device.py, held against the same row of `bench model` where that has run. */
export async function comparePytorch(row, { run, file, beside, device, rounds }) {
  const python = findTorch(device);
  const script = path.join(root, 'bench', 'compare', 'pytorch_device.py');
  await run(python, [
    script,
    row,
    '--device',
    `cuda:${device.index}`,
    '--rounds',
    String(rounds),
    '--json',
    file('.json'),
  ]);
  const theirs = denseMs(file('.json'));
  const figures = [figure(`${row} in PyTorch`, theirs)];
  const ours = beside(`model-${row}.json`);
  if (!existsSync(ours)) return { figures };
  return { figures, note: `burgeon takes ${((100 * denseMs(ours)) / theirs).toFixed(1)} % of PyTorch's time` };
}
