// burgeon plan: the published savings, and what configurations cost before any training.

import { rm } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { burgeon } from '../helpers/cli.ts';
import { useWorkspace } from './workspace.ts';

async function plan(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await burgeon(['plan', ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

describe.concurrent('a preset', () => {
  test('GPT-2 with its schedule: 26.67 % of the block FLOPs, 18.9 % of all', async () => {
    const text = await plan('--model', 'gpt2', '--schedule', 'est-gpt2');
    expect(text).toMatch(/block FLOPs saved +26\.67 % /);
    expect(text).toMatch(/all FLOPs saved +18\.9\d % \(the head, 29\.0 % of a dense step, does not shrink\)/);
    expect(text).toMatch(/1 +1\.\.20000 +6\/12 +6\/12 +1536\/3072 +random +25\.0 %/);
    expect(text).toMatch(/2 +20001\.\.70000 +12\/12 +6\/12 +1536\/3072 +random +50\.0 %/);
    expect(text).toMatch(/3 +70001\.\.150000 +12\/12 +12\/12 +3072\/3072 +all +100\.0 % +100\.0 %/);
    expect(text).toContain('124,439,808');
    expect(await plan()).toBe(text);
  });

  test('the schedule of TinyLlama: 25.00 %', async () => {
    const saved = async (model: string) =>
      /block FLOPs saved +(.*?) %/.exec(await plan('--model', model, '--schedule', 'est-tinyllama'))?.[1];
    expect(await saved('gpt2-medium')).toBe('25.00');
    // Half of 25 heads is 13: what is printed is what is computed, not the nominal rate.
    expect(await saved('gpt2-xl')).toBe('24.76');
  });

  test('of a run with Muon what its updates cost besides', async () => {
    const of = (...set: string[]) =>
      plan('configs/shakespeare-char.yaml', '--vocab-size', '65', '--set', 'est.schedule=stack', ...set);
    expect(await of('--set', 'optimizer.type=muon')).toMatch(
      /\nFLOPs of Muon's products in an update .*\n +stage +an update +of a step\n +1 +\S+ [GM]FLOP +\S+ %\n +2 +\S+ [GM]FLOP +\S+ %\n/,
    );
    expect(await of()).not.toContain('Muon');
  });

  test('a warm-up that never ends is named', async () => {
    const set = (key: string) => ['--set', `optimizer.warmupSteps=${key}`];
    const text = await plan('configs/shakespeare-char.yaml', '--vocab-size', '65', ...set('100000'));
    expect(text).toMatch(
      /\nnote: the learning rate climbs for 100000 steps .* but the run has \d+: \S+ is never reached\n/,
    );
    expect(await plan('configs/shakespeare-char.yaml', '--vocab-size', '65', ...set('10'))).not.toContain('climbs');
  });

  test('dense saves nothing', async () => {
    const text = await plan('--schedule', 'dense', '--steps', '10', '--batch-size', '2', '--sequence-length', '64');
    expect(text).toMatch(/block FLOPs saved +0\.00 % /);
    expect(text).toContain('10 steps of 2 x 64 tokens = 1.28 k tokens');
  });

  test.each([0.1, 0.25, 0.5])('stage ends for a saving of %d', async (target) => {
    const { plan: found } = JSON.parse(await plan('--target-saving', String(target), '--json'));
    expect(found.blockSaving).toBeCloseTo(target, 4);
    expect(found.allSaving).toBeCloseTo(target * (1 - found.headShare), 4);
  });

  test('as JSON', async () => {
    const { model, parameters, memory, denseStep, plan: found } = JSON.parse(await plan('--model', 'gpt2', '--json'));
    expect(model).toMatchObject({ nLayer: 12, vocabSize: 50257 });
    expect(parameters.total).toBe(124_439_808);
    expect(memory.weights).toBe(4 * parameters.total);
    expect(denseStep.backward.mlp).toBe(2 * denseStep.forward.mlp);
    expect(found.blockSaving).toBeCloseTo(4 / 15, 12);
    expect(found.stages.map(({ endStep }: { endStep: number }) => endStep)).toEqual([20_000, 70_000, 150_000]);
  });

  test('a small preset needs a vocabulary', async () => {
    const { code, stderr } = await burgeon(['plan', '--model', 'gpt2-nano']);
    expect(code).toBe(1);
    expect(stderr).toContain('model gpt2-nano: expected --vocab-size, as it takes the vocabulary from the data');
    expect(await plan('--model', 'gpt2-nano', '--vocab-size', '65')).toContain('vocabulary 65');
  });
});

describe('a configuration', () => {
  test('is planned with its data, and changed with --set', async () => {
    const { succeed } = await useWorkspace();
    const { stdout } = await succeed(['plan', 'train.yaml']);
    expect(stdout).toMatch(/^2 layers, 2 heads, width 32, 128 neurons, vocabulary \d\d\n/);
    expect(stdout).toContain('15 steps of 4 x 16 tokens = 960 tokens, up to 4 groups per micro-batch');
    // Stages and steps count from 1, as in the report.
    expect(stdout).toMatch(/^ +1 +1\.\.2 .*\n +2 +3\.\.7 .*\n +3 +8\.\.15 /m);
    const changes = ['--set', 'accumulationSteps=3', '--set', 'est.groupsPerStep=sequence', '--set', 'steps=30'];
    const changed = await succeed(['plan', 'train.yaml', ...changes]);
    expect(changed.stdout).toContain('30 steps of 12 x 16 tokens = 5.76 k tokens, up to 4 groups per micro-batch');
  });

  test('without its data wants a vocabulary', async () => {
    const { burgeon, succeed, path } = await useWorkspace();
    await rm(path('data'), { recursive: true });
    const { code, stderr } = await burgeon(['plan', 'train.yaml']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/data.manifest\.json: expected the manifest of a prepared data set.*, or give --vocab-size/);
    expect((await succeed(['plan', 'train.yaml', '--vocab-size', '99'])).stdout).toContain('vocabulary 99');
  });
});

describe('ranks', () => {
  test('what each stage exchanges, the memory of one rank, and times at a bandwidth', async () => {
    const args = ['--model', 'gpt2-nano', '--vocab-size', '65', '--schedule', 'stack', '--steps', '100'];
    const json = async (...more: string[]) => JSON.parse(await plan(...args, '--json', ...more));
    const { ranks, memory } = await json('--ranks', '4', '--bandwidth', '0.5');
    expect(ranks).toMatchObject({ ranks: 4, bandwidth: 0.5, stages: [{ stage: 1, microBatches: 4, groups: 1 }, {}] });
    const [nested, whole] = ranks.stages;
    // 2 (R - 1) / R of the gradients; in the first stage, of its part.
    expect(whole.sentFrom.gradients).toBe(1.5 * memory.gradients);
    expect(nested.sentFrom.gradients).toBeLessThan(0.6 * whole.sentFrom.gradients);
    const { gradients, flags, numbers } = whole.sentFrom;
    expect(whole.seconds).toEqual({
      from: (gradients + flags + numbers) / 5e8,
      to: (gradients + flags + numbers) / 5e8,
    });
    expect((await json('--ranks', '2')).ranks).toMatchObject({ bandwidth: null, stages: [{ seconds: null }, {}] });
    expect(await json()).not.toHaveProperty('ranks');
    // One sequence for each rank of eight.
    expect(await plan(...args, '--ranks', '8', '--bandwidth', '12.5')).toMatch(
      / of 1 sequence at a time\n(?:.*\n)*exchange of 8 ranks, by rank and step\n.* at 12\.5 GB\/s\n +1 +1 of 8 +1 .* ms\n/,
    );
  });

  test('of a configuration: sums of its own share', async () => {
    const { succeed } = await useWorkspace();
    const of = async (...args: string[]) =>
      JSON.parse((await succeed(['plan', 'train.yaml', '--json', '--set', 'accumulationSteps=4', ...args])).stdout);
    const two = await of('--ranks', '2');
    expect(two.memory.sums).toBe(two.memory.gradients);
    expect(two.ranks.stages.map(({ sums }: { sums: number }) => sums)).toEqual(Array(3).fill(two.memory.sums));
    expect((await of('--ranks', '1')).memory).toEqual((await of()).memory);
    expect((await of('--ranks', '4')).memory.sums).toBe(0);
  });

  test('what cannot be dealt is refused as training does', async () => {
    const { burgeon: run } = await useWorkspace();
    const refused = async (...args: string[]) => {
      const { code, stderr } = await run([...args, 'train.yaml', '--ranks', '2', '--set', 'accumulationSteps=3']);
      expect(code).toBe(1);
      return stderr;
    };
    const words =
      'burgeon: 2 ranks: expected a number of micro-batches per step (accumulationSteps) that 2 divides, found 3';
    expect(await refused('plan')).toContain(words);
    expect(await refused('train')).toContain(words);
    const { stderr } = await burgeon(['plan', '--ranks', '16']);
    expect(stderr).toBe(
      'burgeon: --batch-size: expected sequences per step that 16 ranks can share equally, received 8; give a multiple of 16\n',
    );
  });

  test.each([
    [['--ranks', '0'], /^error: option '--ranks <n>' argument '0' is invalid\. Expected an integer from 1 to 65536/],
    [['--ranks', '2', '--bandwidth', '0'], /Expected a number above 0\./],
    [['--ranks', '2', '--bandwidth', 'fast'], /Expected a number above 0\./],
    [['--bandwidth', '1'], /^error: --bandwidth goes with --ranks/],
    [['--ranks', '2', '--compare'], /^error: --compare and --ranks exclude each other/],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await burgeon(['plan', ...args]);
    expect(code).toBeGreaterThan(0);
    expect(stderr).toMatch(message);
  });
});
