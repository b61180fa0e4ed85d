// What is answered to a mistyped command line: the option or the setting that was probably meant.

import { expect, test } from 'vitest';
import { withHint } from '../../lib/cli/hints.ts';
import { trainConfigKeys } from '../../lib/train/train-config.ts';

const keys = trainConfigKeys.map(({ key }) => key);
const train = { options: ['--set', '--device', '--resume', '--overwrite', '--init-from', '--dashboard'], keys };
const sample = { options: ['--prompt', '--tokens', '--temperature', '--device'], keys: [] };
const prepare = { options: ['--output', '--tokenizer'], keys: [] };

/** The answer to an option that commander does not know. */
function answer(line: string, command: { options: string[]; keys: string[] }): string | undefined {
  const args = line.split(' ');
  const unknown = args.find((arg) => arg.startsWith('-') && arg !== '--set')!;
  const message = `error: unknown option '${unknown}'\n(Did you mean --nothing?)`;
  const text = withHint({ message, args, ...command });
  expect(text.startsWith(`error: unknown option '${unknown}'\n`)).toBe(true);
  return text === message ? undefined : /^\((.*)\)$/m.exec(text)![1];
}

test.each([
  ['x.yaml --steps 100', 'Did you mean --set steps=100?'],
  ['x.yaml --steps=100', 'Did you mean --set steps=100?'],
  ['x.yaml --steps', 'Did you mean --set steps=VALUE?'],
  ['--max-iters 100 x.yaml', 'Did you mean --set steps=100?'],
  ['x.yaml --lr 3e-4', 'Did you mean --set optimizer.learningRate=3e-4?'],
  ['x.yaml --learning_rate 3e-4', 'Did you mean --set optimizer.learningRate=3e-4?'],
  ['x.yaml --warmup-steps 5', 'Did you mean --set optimizer.warmupSteps=5?'],
  ['x.yaml --batch-size 8', 'Did you mean --set batchSize=8?'],
  ['x.yaml --batch_size=8', 'Did you mean --set batchSize=8?'],
  ['x.yaml --seed 2', 'Did you mean --set seed=2?'],
  ['x.yaml --out runs/a', 'Did you mean --set output=runs/a?'],
  ['x.yaml -o runs/a', 'Did you mean --set output=runs/a?'],
  ['x.yaml --output_dir runs/a', 'Did you mean --set output=runs/a?'],
  ['x.yaml --data data/a', 'Did you mean --set data.directory=data/a?'],
  ['x.yaml --model gpt2', 'Did you mean --set model=gpt2?'],
  ['x.yaml --schedule dense', 'Did you mean --set est.schedule=dense or --set optimizer.schedule=dense?'],
  ['x.yaml --bf16', 'Did you mean --set precision=bf16?'],
  ['x.yaml --epochs 3', 'A run is as many steps as you say, not epochs: --set steps=N'],
  ['x.yaml --gpu', 'Did you mean --device cuda?'],
  ['x.yaml --gpu 1', 'Did you mean --device cuda:1?'],
  ['x.yaml --cpu', 'Did you mean --device cpu?'],
  ['x.yaml --force', 'Did you mean --overwrite?'],
  ['x.yaml --nonsense 3', undefined],
])('train %s', (line, expected) => {
  expect(answer(line, train)).toBe(expected);
});

test.each([
  ['run --length 50', 'Did you mean --tokens?'],
  ['run --max-new-tokens 50', 'Did you mean --tokens?'],
  ['run --cuda', 'Did you mean --device cuda?'],
  ['run --steps 3', undefined],
])('sample %s', (line, expected) => {
  expect(answer(line, sample)).toBe(expected);
});

test.each([
  ['data --tokens 5', 'Did you mean --count?'],
  ['data --length 5', undefined],
])('data decode %s', (line, expected) => {
  expect(answer(line, { options: ['--shard', '--split', '--count'], keys: [] })).toBe(expected);
});

test.each([
  ['x.txt --out data', 'Did you mean --output?'],
  ['x.txt --gpu', undefined],
])('prepare %s', (line, expected) => {
  expect(answer(line, prepare)).toBe(expected);
});

test.each([
  ['x.yaml --set a=1 b=2', '--set b=2'],
  ['x.yaml --set a=1 b.c=2 --set d=3 e[0].f=4', '--set b.c=2 --set e[0].f=4'],
  ['x.yaml steps=100', '--set steps=100'],
])('key=value without its --set: %s', (line, expected) => {
  const message = "error: too many arguments for 'train'. Expected 1 argument but got 2.\n";
  expect(withHint({ message, args: line.split(' '), ...train })).toBe(
    `${message}(Every key=value needs a --set before it: ${expected})\n`,
  );
  expect(withHint({ message, args: line.split(' '), ...sample })).toBe(message);
});

test('a key and its value apart after --set', () => {
  const message = "error: too many arguments for 'train'. Expected 1 argument but got 2.\n";
  for (const line of ['x.yaml --set steps 100', '--set steps 100 x.yaml']) {
    expect(withHint({ message, args: line.split(' '), ...train })).toBe(`${message}(Did you mean --set steps=100?)\n`);
  }
  expect(withHint({ message, args: ['x.yaml', 'y.yaml', '--set', 'steps'], ...train })).toBe(message);
});

test('presets are listed, not looked up', () => {
  const message = "error: too many arguments for 'presets'. Expected 0 arguments but got 1.\n";
  const answered = withHint({ message, args: ['gpt2'], options: ['--json'], keys: [] });
  expect(answered).toContain('(`burgeon plan --model NAME` tells more of a model');
});

test('a value that a shell would take apart is quoted', () => {
  const message = "error: unknown option '--output'";
  expect(withHint({ message, args: ['x', '--output', 'my runs/a'], ...train })).toContain('--set output="my runs/a"');
});

test('other messages stay as they are', () => {
  for (const message of ["error: too many arguments for 'train'.\n", "error: missing required argument 'runs'\n"]) {
    expect(withHint({ message, args: ['a', 'b'], ...train })).toBe(message);
  }
});
