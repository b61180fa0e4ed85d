// The parts of a device's check, in the order in which they tell most: does it compute what it should, how fast, and does it train?
// A part has a name, the seconds that it is expected to take on a GPU, and run(), which gives figures and a note or throws an Outcome.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { burgeon, root } from './commands.mjs';
import { figure, figuresOf, medianOf, peakNote } from './figures.mjs';
import { Outcome } from './outcome.mjs';
import { comparePytorch } from './pytorch.mjs';
import { compareDevices, compareFirstSteps, prepareText, profileRun, schedules, trainRun } from './training.mjs';

const sanitizers = ['memcheck', 'racecheck', 'initcheck', 'synccheck'];

/** No part may take longer: whoever lends a device may end commands after ten minutes. */
export const longestSeconds = 540;

async function selfCheck(flags, { run, file, on }, env = {}) {
  const json = file('.json');
  await run(...burgeon(['selfcheck', ...flags, '--device', on, '--json', json]), { env });
  const { summary } = JSON.parse(readFileSync(json, 'utf8'));
  return { note: `${summary.passed} checks` };
}

async function bench(args, { run, file, on, isTiny }) {
  const json = file('.json');
  const size = isTiny ? ['--tiny', '--rounds', '1'] : [];
  await run(...burgeon(['bench', ...args, '--device', on, ...size, '--json', json]));
  return args[0] === 'peak' ? { note: peakNote(json) } : { figures: isTiny ? [] : figuresOf(json) };
}

/** Attention backward of a step of GPT-2 124M, in one pass over the scores and in two (native/ops/attention/attention_passes.h). */
async function comparePasses({ run, file, on, isTiny }) {
  const size = isTiny ? ['--tiny', '--rounds', '1'] : ['--model', 'gpt2-64x1024'];
  const figures = [];
  for (const [passes, name] of [
    ['1', 'attention backward in one pass'],
    ['2', 'attention backward in two passes'],
  ]) {
    const json = file(`.${passes}.json`);
    const args = ['bench', 'ops', 'attention_backward', '--device', on, ...size, '--cold', '--json', json];
    await run(...burgeon(args), { env: { BURGEON_ATTENTION_PASSES: passes } });
    figures.push(figure(name, medianOf(json, 'attention_backward rate=1')));
  }
  const [one, two] = figures;
  if (isTiny) return {};
  const share = (100 * one.ms) / two.ms;
  const predicted = (100 * one.predictedMs) / two.predictedMs;
  return {
    figures,
    note: `one pass takes ${share.toFixed(1)} % of the time of two, ${predicted.toFixed(1)} % predicted`,
  };
}

async function sanitize(tool, { run }) {
  const { stdout } = await run(process.execPath, [path.join(root, 'scripts', 'sanitize-cuda.mjs'), tool]);
  const skipped = /SKIPPED, (.*)/.exec(stdout);
  if (skipped) throw new Outcome('not run', skipped[1]);
  return {};
}

/** Whether a run of this part is there, which was stopped and goes on. */
const isLeft = ({ file }) => existsSync(file('.run'));

/** @param {boolean} isTiny sizes for kernels that run on the host. */
export function partsOf(isTiny) {
  const quick = isTiny ? ['--quick'] : [];
  const models = isTiny ? [['tiny'], ['tiny', 61]] : [['gpt2-16x1024'], ['gpt2-16x1024', 50257], ['tinyllama-8x2048']];
  const ofVocabulary = (size) => (size === undefined ? [] : ['--vocab-size', String(size)]);
  const rows = isTiny ? ['tiny'] : ['f', 'h', 'g'];
  const letters = (row) => (isTiny ? [] : [row]);
  const part = (name, seconds, run, more = {}) => ({ name, seconds, run, ...more });
  return [
    part('selfcheck-quick', 30, (context) => selfCheck(['--quick'], context)),
    part('selfcheck', 240, (context) => selfCheck(quick, context)),
    part('selfcheck-own-products', 240, (context) => selfCheck(quick, context, { BURGEON_CUBLASLT: 'off' })),
    part('peak', 30, (context) => bench(['peak'], context)),
    ...models.map(([model, size]) =>
      part(['ops', model, size].filter(Boolean).join('-'), 180, (context) =>
        bench(['ops', '--model', model, ...ofVocabulary(size), '--cold'], context),
      ),
    ),
    part('attention-passes', 60, comparePasses),
    ...rows.map((row) =>
      part(`model-${row}`, row === 'g' ? 240 : 120, (context) => bench(['model', ...letters(row)], context)),
    ),
    part('text', 10, prepareText),
    part('first-steps', 240, compareFirstSteps),
    part('two-devices', 120, compareDevices),
    part('profile', 60, profileRun),
    ...schedules.map((schedule) =>
      part(
        `train-${schedule}`,
        240,
        (context) => trainRun(schedule, { ...context, isNew: !isLeft(context) || context.isNew }),
        {
          goesOn: true,
        },
      ),
    ),
    ...rows.map((row) =>
      part(`pytorch-${row}`, row === 'g' ? 420 : 240, (context) =>
        comparePytorch(row, { ...context, rounds: isTiny ? 1 : 11 }),
      ),
    ),
    ...sanitizers.map((tool) => part(`sanitize-${tool}`, 240, (context) => sanitize(tool, context))),
  ];
}
