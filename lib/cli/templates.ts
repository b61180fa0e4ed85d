// What `burgeon init` begins a project with: packaged configurations, the text that some of them come with, and the commands that
// lead from there to text of the model's own.

import path from 'node:path';
import { type DataManifest, readManifest } from '../data/manifest.ts';
import { BurgeonError } from '../errors.ts';
import { isFile } from '../files/path-kinds.ts';
import { packageRoot } from '../package.ts';

export interface Template {
  /** Of a packaged configuration. */
  name: string;
  summary: string;
  /** A text to train on, where it comes with one; else there is a text of one's own to bring. */
  text?: { file: string; what: string };
  /** After `npx burgeon`; in order. */
  next: readonly string[];
}

const romeoAndJuliet = { file: 'romeo-and-juliet.txt', what: 'a text to train on: Shakespeare, in the public domain' };

export const templates: readonly Template[] = [
  {
    name: 'shakespeare-char',
    summary: 'a first model: GPT-2 with 0.8 M parameters writes like Shakespeare, half a minute on two cores',
    text: romeoAndJuliet,
    next: [
      `prepare ${romeoAndJuliet.file} -o data/shakespeare -t chars`,
      'train shakespeare-char',
      'sample runs/shakespeare-char --prompt "ROMEO:"',
    ],
  },
  {
    name: 'own-text',
    summary: 'a text of your own, in any language, byte by byte: GPT-2 with 2.7 M parameters, minutes on two cores',
    next: ['prepare YOUR_TEXT.txt -o data/own-text -t bytes', 'train own-text', 'sample runs/own-text'],
  },
  {
    name: 'llama-15m',
    summary:
      'a Llama with 15 M parameters and a tokenizer of its own, for tens of megabytes of text: hours on two cores',
    next: [
      'tokenizer train YOUR_TEXTS/ --vocab-size 32000 -o tokenizers/llama-15m',
      'prepare YOUR_TEXTS/ -o data/llama-15m -t tokenizers/llama-15m',
      'plan llama-15m --compare',
      'train llama-15m',
      'sample runs/llama-15m',
    ],
  },
  {
    name: 'gpt2-124m',
    summary: 'GPT-2 124M on 10.5 billion tokens: for a GPU; `plan` says what it takes',
    next: [
      'prepare "YOUR_WEB_TEXTS/*.parquet" -o data/fineweb -t gpt2',
      'plan gpt2-124m',
      'train gpt2-124m --device cuda',
    ],
  },
];

/**
 * The manifest of the data that a configuration asks for.
 * @param given the configuration, as it was typed: of a template with a text, the error says how to get data.
 * @throws {BurgeonError} ERR_BURGEON_DATA.
 */
export async function readManifestFor(given: string, directory: string): Promise<DataManifest> {
  try {
    return await readManifest(directory);
  } catch (error) {
    const template = templates.find(({ name }) => given === name || given === `${name}.yaml`);
    if (!(error instanceof BurgeonError) || template?.text === undefined) throw error;
    const next = (await isFile(template.text.file)) ? template.next[0] : `init ${template.name}`;
    throw new BurgeonError(error.code, `${error.message}, to begin with: \`burgeon ${next}\``, { cause: error });
  }
}

/** The packaged text of a template. */
export const textFile = (name: string) => path.join(packageRoot, 'configs', 'texts', name);
