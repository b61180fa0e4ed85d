// Files and overrides: what is read, what --set changes, and the messages for files that cannot be used.

import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { applyOverrides, overriddenKeys, readConfigFile } from '../../lib/config/config-file.ts';
import { Schedule } from '../../lib/est/schedule.ts';
import { expandRuns } from '../../lib/sweep/expand.ts';
import { readSweep } from '../../lib/sweep/sweep-file.ts';
import { loadTrainConfig } from '../../lib/train/load-train-config.ts';
import { parseTrainConfig } from '../../lib/train/train-config.ts';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'burgeon-config-'));
});

afterAll(() => rm(directory, { recursive: true }));

/** Writes a file and returns its path. */
async function write(name: string, content: string): Promise<string> {
  const file = join(directory, name);
  await writeFile(file, content);
  return file;
}

const least = { model: 'gpt2-nano', output: 'run', steps: 100, batchSize: 4 };

describe('loadTrainConfig', () => {
  test('reads YAML and JSON alike', async () => {
    const yaml = await write('a.yaml', 'model: gpt2-nano\noutput: run # here\nsteps: 100\nbatchSize: 4\n');
    const json = await write('a.json', JSON.stringify(least, null, '\t'));
    expect(await loadTrainConfig(yaml)).toEqual(parseTrainConfig(least));
    expect(await loadTrainConfig(json)).toEqual(parseTrainConfig(least));
  });

  test('fractions need no quotes in YAML', async () => {
    const file = await write('c.yaml', 'est:\n  schedule:\n    - { endFraction: 1/4, heads: [0.5, 1] }\n    - {}\n');
    const config = await loadTrainConfig(file, { set: ['model=gpt2-nano', 'output=run', 'steps=8', 'batchSize=1'] });
    expect(config.est.schedule).toEqual([{ endFraction: 0.25, heads: [0.5, 1] }, {}]);
  });

  test('names the file and all its problems', async () => {
    const file = await write('d.yaml', 'model: gpt2-nano\nsteps: 0\nbatchsize: 4\n');
    await expect(loadTrainConfig(file)).rejects.toThrow(
      [
        `invalid training configuration in ${file}:`,
        'output: expected the path of a directory, received nothing',
        'steps: expected an integer of at least 1, received 0',
        'batchSize: expected an integer from 1 to 1048576, received nothing',
        'batchsize: unknown key; did you mean batchSize?',
      ].join('\n  '),
    );
  });

  test.each([
    ['an open list', 'model: gpt2\nsteps: [1\nbatchSize: 2\n', ':3:1: not valid YAML: Flow sequence'],
    ['a key twice', 'steps: 1\nsteps: 2\n', ':2:1: not valid YAML: Map keys must be unique'],
    ['an unknown tag', 'steps: !many 1\n', ':1:8: not valid YAML: Unresolved tag: !many'],
    ['an unknown alias', 'steps: *many\n', ': not valid YAML: Unresolved alias'],
  ])('points to %s', async (_, content, message) => {
    const file = await write('e.yaml', content);
    await expect(loadTrainConfig(file)).rejects.toThrow(`${file}${message}`);
    await expect(loadTrainConfig(file)).rejects.toMatchObject({ code: 'ERR_BURGEON_CONFIG' });
  });

  test('a file that is not there, and one that is a directory', async () => {
    const missing = join(directory, 'none.yaml');
    await expect(loadTrainConfig(missing)).rejects.toThrow(
      `config file ${missing}: not found in ${process.cwd()}; expected a YAML or JSON file`,
    );
    await expect(loadTrainConfig(directory)).rejects.toThrow(
      `config file ${directory}: expected a YAML or JSON file, found a directory`,
    );
  });
});

describe('extends', () => {
  test('a file lies over the one it names, relative to itself, and over what that extends', async () => {
    await mkdir(join(directory, 'deep'), { recursive: true });
    await write(
      'base.yaml',
      'model: gpt2-nano\noutput: run\nsteps: 100\nbatchSize: 4\ninitFrom: old\noptimizer: { beta1: 0.8, beta2: 0.9 }\n',
    );
    await write(
      'deep/middle.json',
      JSON.stringify({ extends: '../base.yaml', steps: 200, optimizer: { beta2: 0.99 } }),
    );
    const file = await write('deep/top.yaml', 'extends: middle.json\nmodel: { nLayer: 2 }\ninitFrom:\n');
    const config = await loadTrainConfig(file, { set: ['optimizer.beta1=0.7', 'model.nHead=2'] });
    expect(config).toEqual(
      parseTrainConfig({
        ...least,
        model: { preset: 'gpt2-nano', nLayer: 2, nHead: 2 },
        steps: 200,
        optimizer: { beta1: 0.7, beta2: 0.99 },
      }),
    );
    expect(config).not.toHaveProperty('extends');
  });

  test('a section can extend a file as well', async () => {
    await write('adam.yaml', 'beta1: 0.8\nbeta2: 0.9\n');
    const file = await write(
      'section.yaml',
      'list: [{ extends: adam.yaml }]\noptimizer: { extends: adam.yaml, beta2: 1 }\n',
    );
    expect(await readConfigFile(file)).toEqual({
      list: [{ beta1: 0.8, beta2: 0.9 }],
      optimizer: { beta1: 0.8, beta2: 1 },
    });
  });

  test('an empty one counts as left out, and an empty file as an empty section', async () => {
    await write('empty.yaml', '# nothing\n');
    expect(await readConfigFile(await write('f.yaml', 'extends:\nsteps: 1\n'))).toEqual({ steps: 1 });
    expect(await readConfigFile(await write('g.yaml', 'extends: empty.yaml\nsteps: 1\n'))).toEqual({ steps: 1 });
  });

  test('a file may be extended twice, but not by itself', async () => {
    const part = await write('part.yaml', 'x: 1\n');
    const twice = await write('twice.yaml', 'a: { extends: part.yaml }\nb: { extends: part.yaml }\n');
    expect(await readConfigFile(twice)).toEqual({ a: { x: 1 }, b: { x: 1 } });
    const [one, two] = [
      await write('one.yaml', 'extends: two.yaml\n'),
      await write('two.yaml', 'extends: ./one.yaml\n'),
    ];
    await expect(readConfigFile(one)).rejects.toThrow(
      `config file ${one}: extends itself (${one} -> ${two} -> ${one}); expected an end to the chain`,
    );
    await write('part.yaml', 'extends: part.yaml\n');
    await expect(readConfigFile(part)).rejects.toMatchObject({ code: 'ERR_BURGEON_CONFIG' });
  });

  test('says what is wrong, and where', async () => {
    const cases: [string, string][] = [
      [
        'extends: none.yaml\n',
        `config file ${join(directory, 'none.yaml')}, which ${join(directory, 'h.yaml')} extends: not found in `,
      ],
      [
        'extends: [a.yaml]\n',
        `${join(directory, 'h.yaml')}: extends: expected the path of a file, received ["a.yaml"]`,
      ],
      ['est: { extends: 3 }\n', `${join(directory, 'h.yaml')}: est: extends: expected the path of a file, received 3`],
      [
        'extends: list.yaml\n',
        `config file ${join(directory, 'list.yaml')}: expected a section (a mapping of keys) to extend, found [1]`,
      ],
      ['extends: torn.yaml\n', `${join(directory, 'torn.yaml')}:2:1: not valid YAML`],
    ];
    await write('list.yaml', '[1]\n');
    await write('torn.yaml', 'steps: [\n');
    for (const [content, message] of cases) {
      await expect(readConfigFile(await write('h.yaml', content)), content).rejects.toThrow(message);
    }
  });
});

describe('applyOverrides', () => {
  test('sets values as YAML, later ones over earlier ones', () => {
    const data = { model: 'gpt2', optimizer: { beta1: 0.9 } };
    const overrides = [
      'optimizer.learningRate=1e-3',
      'sample.prompt="a = b"',
      'steps=1',
      'steps=2',
      'checkpoint.keepBest=false',
    ];
    expect(applyOverrides(data, overrides)).toEqual({
      model: 'gpt2',
      optimizer: { beta1: 0.9, learningRate: 1e-3 },
      sample: { prompt: 'a = b' },
      steps: 2,
      checkpoint: { keepBest: false },
    });
    expect(data).toEqual({ model: 'gpt2', optimizer: { beta1: 0.9 } });
  });

  test('reaches into lists, and replaces whole ones', () => {
    const data = { est: { schedule: [{ heads: 0.5 }, {}] } };
    expect(applyOverrides(data, ['est.schedule[0].heads=0.25', 'est.schedule.1.layers=0.75'])).toEqual({
      est: { schedule: [{ heads: 0.25 }, { layers: 0.75 }] },
    });
    expect(applyOverrides(data, ['est.schedule=[{ endFraction: 1/2, heads: 0.5 }, {}]'])).toEqual({
      est: { schedule: [{ endFraction: '1/2', heads: 0.5 }, {}] },
    });
  });

  test('turns a model given by name into a section', () => {
    expect(applyOverrides({ model: 'gpt2' }, ['model.nLayer=3'])).toEqual({ model: { preset: 'gpt2', nLayer: 3 } });
  });

  test('starts from nothing', () => {
    expect(applyOverrides(null, ['est.schedule=dense'])).toEqual({ est: { schedule: 'dense' } });
  });

  test.each([
    ['steps', '--set steps: expected key=value, for example optimizer.learningRate=1e-3'],
    ['=1', '--set =1: expected key=value'],
    ['a..b=1', '--set a..b=1: expected key=value'],
    ['__proto__.x=1', '--set __proto__.x=1: expected key=value'],
    ['steps.x=1', '--set steps.x=1: "x" is below a plain value (5), not a section'],
    ['list.2=1', '--set list.2=1: expected an index below 2 of the list, received 2'],
    ['list.x=1', '--set list.x=1: expected an index below 2 of the list, received x'],
    ['steps=[', '--set steps=[:1:2: not valid YAML'],
  ])('%s', (override, message) => {
    expect(() => applyOverrides({ steps: 5, list: [1, 2] }, [override])).toThrow(message);
  });
});

test('overriddenKeys names what is set, however it is written', () => {
  const overrides = ['steps=5', ' est.schedule[0].heads=0.5', 'sample.prompt=a.b = c', 'optimizer={beta1: 0.8}'];
  expect(overriddenKeys(overrides)).toEqual(['steps', 'est.schedule.0.heads', 'sample.prompt', 'optimizer']);
  expect(() => overriddenKeys(['steps'])).toThrow('--set steps: expected key=value');
});

describe('configs/', () => {
  test('every file is valid', async () => {
    const files = (await readdir('configs')).filter((file) => file.endsWith('.yaml'));
    expect(files).toEqual(expect.arrayContaining(['debug.yaml', 'gpt2-124m-est.yaml', 'shakespeare-char.yaml']));
    for (const file of files) await expect(loadTrainConfig(join('configs', file)), file).resolves.toBeDefined();
  });

  test('every run of every sweep is valid', async () => {
    const files = (await readdir(join('configs', 'sweeps'))).map((file) => join('configs', 'sweeps', file));
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) {
      for (const { name, settings } of expandRuns(await readSweep(file))) {
        expect(() => parseTrainConfig(settings), `${file}: ${name}`).not.toThrow();
      }
    }
  });

  test('debug.yaml meets every stage, as its comment says', async () => {
    const { est, steps } = await loadTrainConfig('configs/debug.yaml');
    expect(new Schedule(est.schedule, steps).stages.map(({ endStep }) => endStep)).toEqual([4, 14, 30]);
  });

  test('gpt2-124m-est.yaml trains on 524,288 tokens a step, as its comment says', async () => {
    const config = await loadTrainConfig('configs/gpt2-124m-est.yaml');
    expect(config.batchSize * config.accumulationSteps * config.sequenceLength).toBe(524_288);
  });
});
