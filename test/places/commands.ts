// Every command that writes, what it writes, and what lay there before.

export interface WritingCommand {
  args: readonly string[];
  /** What it writes, seen from the workspace: files, and directories with all that is in them. */
  outputs: readonly string[];
  /** Takes the results of another time away, or puts them there: commands of burgeon that are run before. */
  before?: readonly (readonly string[])[];
  /** Whether the results of another time must be found again, all of them, where the command has failed. */
  keepsOld?: boolean;
  /** How it is started again once the disk works. */
  again?: readonly string[];
  /** Less often tried: it takes long, or its calls are those of others. */
  stride?: number;
}

const train = ['train', 'train.yaml', '--tensorboard', '--dashboard', '0', '--quiet'];
const prepare = ['prepare', 'text.txt', '--tokenizer', 'chars', '--shard-tokens', '3000'];
const tokenizer = ['tokenizer', 'train', 'text.txt', '-o', 'tok'];

/** `other` is a run of another seed, complete, `third` one of another rate; `begun` one that was stopped after some steps. */
export const commands: Readonly<Record<string, WritingCommand>> = {
  train: { args: [...train, '--auto-resume'], outputs: ['run'] },
  'train --resume': { args: [...train, '--resume', '--set', 'output=begun'], outputs: ['begun'] },
  'train --overwrite': {
    args: [...train, '--overwrite', '--set', 'output=other'],
    outputs: ['other'],
    again: [...train, '--overwrite', '--set', 'output=other'],
  },
  'train --profile': {
    args: ['train', 'train.yaml', '--profile', '1', '--quiet', '--set', 'output=other'],
    outputs: ['other'],
    keepsOld: true,
  },
  prepare: { args: [...prepare, '-o', 'new'], outputs: ['new'] },
  'prepare over a data set': { args: [...prepare, '-o', 'data'], outputs: ['data'], keepsOld: true },
  'prepare --drop-near-duplicates': {
    args: [...prepare, '--drop-near-duplicates', '-o', 'data'],
    outputs: ['data'],
    keepsOld: true,
  },
  'tokenizer train': {
    args: [...tokenizer, '--vocab-size', '270'],
    outputs: ['tok'],
    before: [[...tokenizer, '--vocab-size', '300']],
    keepsOld: true,
  },
  export: {
    args: ['export', 'begun', '-o', 'hf'],
    outputs: ['hf'],
    before: [['export', 'other', '-o', 'hf']],
    keepsOld: true,
  },
  'export, in shards': { args: ['export', 'other', '-o', 'shards', '--max-shard-size', '20KB'], outputs: ['shards'] },
  'export --format llmc': { args: ['export', 'other', '-o', 'model.bin', '--format', 'llmc'], outputs: ['model.bin'] },
  report: { args: ['report', 'other', '-o', 'old.html'], outputs: ['old.html'], keepsOld: true },
  compare: { args: ['compare', 'other', 'third', '-o', 'old.html'], outputs: ['old.html'], keepsOld: true },
  'plan --svg': { args: ['plan', 'train.yaml', '--svg', 'old.svg'], outputs: ['old.svg'], keepsOld: true },
  'bench --json': {
    args: ['bench', 'ops', 'norm', '--tiny', '--rounds', '1', '--json', 'old.json'],
    outputs: ['old.json'],
    keepsOld: true,
  },
  sweep: { args: ['sweep', 'sweep.yaml'], outputs: ['runs'], stride: 7 },
};
