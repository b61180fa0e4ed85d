// A directory as a user might have it: a text, the data set made of it, and a configuration that trains through all
// stages in a fraction of a second.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { stringify } from 'yaml';
import { prepare } from '../../lib/prepare/prepare.ts';
import { burgeon, type CommandOptions, type CommandResult } from '../helpers/cli.ts';
import { type Settings, someText } from '../train/helpers.ts';

export interface Workspace {
  /** Of the directory, and of what is in it. */
  path(...names: string[]): string;
  /** Runs burgeon in the directory. */
  burgeon(args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** The same for what must succeed. */
  succeed(args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  remove(): Promise<void>;
}

/** A directory with text.txt (21 different characters, no capitals), data/ and train.yaml, which writes to run/. */
export async function createWorkspace(settings: Settings = {}): Promise<Workspace> {
  const root = await mkdtemp(path.join(tmpdir(), 'burgeon-cli-'));
  const workspace: Workspace = {
    path: (...names) => path.join(root, ...names),
    burgeon: (args, options) => burgeon(args, { cwd: root, ...options }),
    async succeed(args, options) {
      const result = await workspace.burgeon(args, options);
      expect(result, result.stderr).toMatchObject({ code: 0 });
      return result;
    },
    remove: () => rm(root, { recursive: true, force: true }),
  };
  await writeFile(workspace.path('text.txt'), someText());
  await prepare({ inputs: [workspace.path('text.txt')], output: workspace.path('data'), tokenizer: 'chars' });
  await writeFile(workspace.path('train.yaml'), stringify({ ...trainSettings, ...settings }));
  return workspace;
}

const trainSettings: Settings = {
  model: { preset: 'gpt2-tiny', nEmbd: 32, contextLength: 16 },
  data: { directory: 'data' },
  output: 'run',
  steps: 15,
  batchSize: 4,
  optimizer: { learningRate: 3e-3, warmupSteps: 2 },
  evaluation: { every: 5, windows: 8 },
  log: { peakFlops: 1e11 }, // measuring takes longer than the run
};

/** A workspace for one test. */
export async function useWorkspace(settings?: Settings): Promise<Workspace> {
  const workspace = await createWorkspace(settings);
  onTestFinished(workspace.remove);
  return workspace;
}
