// What the command says about itself, and to those who mistype it.

import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { burgeon } from '../helpers/cli.ts';

const commands = [
  'init',
  'presets',
  'tokenizer',
  'prepare',
  'data',
  'plan',
  'train',
  'sweep',
  'dashboard',
  'report',
  'compare',
  'eval',
  'sample',
  'inspect',
  'export',
  'bench',
  'doctor',
];

describe.concurrent('help', () => {
  test('lists the commands and a first run', async () => {
    const { code, stdout, stderr } = await burgeon(['--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const command of commands) expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
    expect(stdout).toMatch(/A first run:\n(?: {2}npx burgeon (?:init|prepare|train|sample)\b.*\n){4}/);
  });

  test('without a command is the same, as an error', async () => {
    const [asked, unasked] = [await burgeon(['--help']), await burgeon([])];
    expect(unasked).toMatchObject({ code: 1, stdout: '', stderr: asked.stdout });
  });

  test.each(commands)('of %s says what it does and fits a terminal', async (command) => {
    const { code, stdout } = await burgeon([command, '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: burgeon ${command}`);
    const description = stdout.split('\n\n')[1]!;
    // Lines break where the width ends, not where the source does.
    for (const line of description.split('\n').slice(0, -1)) expect(line.length).toBeGreaterThan(60);
    for (const line of description.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    if (command !== 'doctor') expect(stdout).toMatch(new RegExp(`\\nExamples?:\\n  burgeon ${command}\\b`));
    expect((await burgeon(['help', command])).stdout).toBe(stdout);
  });
});

test('--version is that of the package', async () => {
  const { version } = JSON.parse(await readFile('package.json', 'utf8'));
  expect(await burgeon(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n` });
});

describe.concurrent('mistakes', () => {
  test.each([
    ['trian', "unknown command 'trian'\n(Did you mean train?)"],
    ['train --resum x.yaml', "unknown option '--resum'\n(Did you mean --resume?)"],
    ['sample run --promt x', "unknown option '--promt'\n(Did you mean --prompt?)"],
    ['train', "missing required argument 'config'\n(`burgeon init` writes one"],
    ['tokenizer train x.txt -o y', "required option '--vocab-size <n>' not specified"],
    ['tokenizer train x.txt -o y --vocab-size 256', "'256' is invalid. Expected an integer from 257 to 16777216."],
    ['prepare x.txt', "required option '-o, --output <dir>' not specified"],
    ['doctor extra', "too many arguments for 'doctor'"],
    ['report', "missing required argument 'runs'"],
    ['compare runs/a', 'runs/a is one run; expected others to compare with it'],
    [
      'train x.yaml --set a=1 b=2',
      'Expected 1 argument but got 2.\n(Every key=value needs a --set before it: --set b=2)\n',
    ],
    ['train x.yaml --steps 100', "unknown option '--steps'\n(Did you mean --set steps=100?)\n"],
    ['sample run --gpu', "unknown option '--gpu'\n(Did you mean --device cuda?)\n"],
    ['sweep', "missing required argument 'file'"],
    ['sweep x.yaml --dry-run --table', '--dry-run and --table exclude each other'],
    ['sweep x.yaml --parallel 0', "'0' is invalid. Expected an integer from 1 to 1024."],
    ['train x.yaml --resume --overwrite', '--resume and --overwrite exclude each other'],
    [
      'eval run --data d --windows 0',
      "'--windows <n|all>' argument '0' is invalid. Expected an integer of at least 1.",
    ],
    ['eval run --data d --split test', "'test' is invalid. Allowed choices are train, validation."],
    ['eval run', 'expected --data or --choices'],
    ['eval run --data d --choices q.jsonl', "'--choices <file>' cannot be used with option '--data <dir|pattern>'"],
    ['eval run --choices q.jsonl --windows 3', "cannot be used with option '--windows <n|all>'"],
    ['eval run --data d --limit 3', "'--limit <n>' cannot be used with option '--data <dir|pattern>'"],
    ['sample run --top-p 2', "'--top-p <p>' argument '2' is invalid. Expected a number from"],
    ['sample run --temperature nan', "'nan' is invalid. Expected a number of at least 0."],
    ['plan x.yaml --model gpt2', 'a configuration has its own model'],
    ['plan --set steps=3', '--set takes a configuration to change'],
  ])('%s', async (line, message) => {
    const { code, stdout, stderr } = await burgeon(line.split(' '));
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(`error: `);
    expect(stderr).toContain(message);
    expect(stderr).toContain('--help lists what there is');
  });

  test.each([
    ['train none.yaml', 'burgeon: config file none.yaml: not found in '],
    ['train shakespeare', 'tinyllama-1.1b-est); did you mean shakespeare-char?'],
    ['sweep learning', 'or a sweep of the package (learning-rate); did you mean learning-rate?'],
    ['init shakespear', 'burgeon: template shakespear: expected one of shakespeare-char, own-text, '],
    ['sample lib --best', 'burgeon: lib: expected a run directory with checkpoints to find the best of, found none'],
    ['tokenizer train none.txt --vocab-size 300 -o none', 'none.txt: no such file'],
    ['prepare package.json -o none -t gtp2', 'burgeon: --tokenizer: expected gpt2, bytes, chars, or the path'],
    ['plan --model gpt3', 'received "gpt3"; did you mean gpt2?'],
    ['plan --schedule est', 'or a list of stages, received "est"'],
    ['plan --target-saving 0.9', 'expected a share of the block FLOPs from 0 to 0.5714'],
    [
      'sample none',
      'burgeon: none: expected a model directory (with config.json) or a run directory with checkpoints, found nothing',
    ],
    [
      'sample lib',
      'burgeon: lib: expected a model directory (with config.json) or a run directory with checkpoints, found neither',
    ],
    ['train lib', 'burgeon: config file lib: expected a YAML or JSON file, found a directory\n'],
    [
      'plan --model gpt2-nano',
      'burgeon: model gpt2-nano: expected --vocab-size, as it takes the vocabulary from the data',
    ],
    ['bench ops mlp_forwrd', 'received "mlp_forwrd"; did you mean mlp_forward?\n'],
    ['sample package.json', 'burgeon: package.json: expected a model directory'],
    ['report lib', 'burgeon: lib: expected a run directory with metrics.jsonl, but it has none'],
  ])('%s: one message, no stack', async (line, message) => {
    const { code, stdout, stderr } = await burgeon(line.split(' '));
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(message);
    expect(stderr).toMatch(/^burgeon: /);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  test('a wrong environment variable is named', async () => {
    const { code, stderr } = await burgeon(['plan', '--model', 'gpt2'], { env: { BURGEON_THREADS: 'many' } });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^burgeon: BURGEON_THREADS: expected an integer .*received "?many"?$/m);
  });
});
