// burgeon init: what it writes, that it never overwrites, and that what it says to type next works.

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { templates } from '../../lib/cli/templates.ts';
import { packagedFile } from '../../lib/config/find-config.ts';
import { loadTrainConfig } from '../../lib/train/load-train-config.ts';
import { burgeon } from '../helpers/cli.ts';
import { someText } from '../train/helpers.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'burgeon-init-'));
});
afterAll(() => rm(root, { recursive: true }));

async function emptyDirectory() {
  const cwd = await mkdtemp(path.join(root, 'project-'));
  return { cwd, at: (...names: string[]) => path.join(cwd, ...names) };
}

async function init(cwd: string, ...args: string[]) {
  const { code, stdout, stderr } = await burgeon(['init', ...args, '--json'], { cwd });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as { written: string[]; kept: string[]; next: string[] };
}

describe.concurrent('init', () => {
  test('writes configuration, text and .gitignore, and lists them', async () => {
    const { cwd, at } = await emptyDirectory();
    const { code, stdout } = await burgeon(['init'], { cwd });
    expect(code).toBe(0);
    const names = ['.gitignore', 'romeo-and-juliet.txt', 'shakespeare-char.yaml'];
    expect((await readdir(cwd)).sort()).toEqual(names);
    expect(stdout).toMatch(/^wrote\n(?: {2}\S+ +.*\n){3}\nnext\n(?: {2}npx burgeon .*\n){3}$/);
    for (const name of names) expect(stdout).toContain(`  ${name} `);
    expect(await readFile(at('.gitignore'), 'utf8')).toBe('runs/\ndata/\n');
    const [first, ...rest] = (await readFile(at('shakespeare-char.yaml'), 'utf8')).split('\n');
    expect(first).toBe('# yaml-language-server: $schema=node_modules/burgeon/dist/train-config.schema.json');
    const packaged = await readFile(packagedFile('shakespeare-char', 'training'), 'utf8');
    expect(rest.join('\n')).toBe(packaged.replace(/^# yaml-language-server:.*\n/m, ''));
  });

  test('leaves what is there, and says so', async () => {
    const { cwd, at } = await emptyDirectory();
    await writeFile(at('.gitignore'), 'node_modules\n/runs\n');
    await writeFile(at('shakespeare-char.yaml'), 'mine');
    const { code, stdout } = await burgeon(['init'], { cwd });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^wrote\n {2}romeo-and-juliet\.txt .*\n\nleft as they were\n/);
    expect(stdout).toContain('.gitignore             lacks data/: better add them');
    expect(await readFile(at('shakespeare-char.yaml'), 'utf8')).toBe('mine');
    expect(await readFile(at('.gitignore'), 'utf8')).toBe('node_modules\n/runs\n');
    expect(await init(cwd)).toMatchObject({ written: [], kept: expect.arrayContaining(['shakespeare-char.yaml']) });
  });

  test('makes the directory; its schema is that of the package installed above', async () => {
    const { cwd, at } = await emptyDirectory();
    await mkdir(at('node_modules', 'burgeon'), { recursive: true });
    const { written, next } = await init(cwd, 'own-text', path.join('models', 'my first'));
    expect(written).toEqual(['own-text.yaml', '.gitignore'].map((name) => path.join('models', 'my first', name)));
    expect(next[0]).toBe(`cd "${path.join('models', 'my first')}"`);
    expect(await readFile(at('models', 'my first', 'own-text.yaml'), 'utf8')).toMatch(
      /^# yaml-language-server: \$schema=\.\.\/\.\.\/node_modules\/burgeon\/dist\/train-config\.schema\.json\n/,
    );
  });

  test('says what is wrong with a template or a directory', async () => {
    const { cwd, at } = await emptyDirectory();
    await writeFile(at('file'), '');
    const failure = async (...args: string[]) => {
      const { code, stdout, stderr } = await burgeon(['init', ...args], { cwd });
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      return stderr;
    };
    expect(await failure('gpt2')).toContain(
      'shakespeare-char, own-text, llama-15m, gpt2-124m; did you mean gpt2-124m?',
    );
    expect(await failure('my-project')).toContain('; for a directory: burgeon init shakespeare-char my-project\n');
    expect(await failure('own-text', 'file')).toContain('burgeon: file (the project): cannot be written (');
    expect(await readdir(cwd)).toEqual(['file']);
  });
});

test('a run of a template without its data says what comes before it', async () => {
  const { cwd } = await emptyDirectory();
  for (const command of ['train', 'plan']) {
    const { code, stderr } = await burgeon([command, 'shakespeare-char'], { cwd });
    expect(code).toBe(1);
    expect(stderr).toContain(
      'data/shakespeare/manifest.json: expected the manifest of a prepared data set, found none;',
    );
    expect(stderr).toContain('to begin with: `burgeon init shakespeare-char`');
  }
  const { next } = await init(cwd);
  const { stderr } = await burgeon(['train', 'shakespeare-char.yaml'], { cwd });
  expect(stderr).toContain(`to begin with: \`${next[0]!.replace('npx ', '')}\``);
  // Others do not know which text is meant.
  expect((await burgeon(['train', 'shakespeare-llama'], { cwd })).stderr).not.toContain('to begin with');
});

test('--list says what templates are for', async () => {
  const { stdout } = await burgeon(['init', '--list']);
  for (const { name } of templates) expect(stdout).toMatch(new RegExp(`^  ${name} +\\S`, 'm'));
});

/** A model and a run of no time. */
const briefly = ['steps=2', 'model.nLayer=2', 'evaluation.windows=2', 'log.peakFlops=1e11', 'batchSize=2'];

describe.each(templates)('the template $name', ({ name, text, next }) => {
  test('is a configuration, with its data and output under the ignored directories', async () => {
    const config = await loadTrainConfig(packagedFile(name, 'training'));
    expect(config.output).toBe(`runs/${name}`);
    expect(config.data.directory).toMatch(/^data\//);
  });

  // What its own text or a GPU is needed for is left to docs/tutorial.md, and to those who have one.
  test.skipIf(text !== undefined || next.some((line) => line.includes('cuda')))('works as it says', async () => {
    const { cwd, at } = await emptyDirectory();
    await init(cwd, name);
    await mkdir(at('TEXTS'));
    await writeFile(at('TEXTS', 'a.txt'), someText(20_000));
    for (const command of next) {
      const line = command
        .replace('YOUR_TEXTS/', 'TEXTS/')
        .replace('YOUR_TEXT.txt', 'TEXTS/a.txt')
        .replace(' --compare', '');
      const args = line.split(' ');
      if (args[0] === 'train') args.push(...briefly.flatMap((setting) => ['--set', setting]));
      if (args[0] === 'sample') args.push('--tokens', '5');
      const { code, stderr } = await burgeon(args, { cwd });
      expect(code, `${line}\n${stderr}`).toBe(0);
    }
  });
});
