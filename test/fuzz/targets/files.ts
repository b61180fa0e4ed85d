// Files of models, tokenizers, tokens and configurations, damaged at random or with hostile values in their JSON.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { configToHuggingFace } from '../../../lib/checkpoint/huggingface.ts';
import { writeModelDirectory } from '../../../lib/checkpoint/model-directory.ts';
import { openModel } from '../../../lib/checkpoint/open-model.ts';
import { listTensors } from '../../../lib/config/tensors.ts';
import { openTokenFile } from '../../../lib/data/token-file.ts';
import { openSafetensors } from '../../../lib/formats/safetensors.ts';
import { createTokenizer, loadTokenizer, loadTrainConfig, prepare, readManifest } from '../../../lib/index.ts';
import { smallConfig, smallLlama } from '../../helpers/models.ts';
import type { Random } from '../random.ts';
import type { Target, Trial } from '../targets.ts';

async function writeSmallModel(directory: string): Promise<string> {
  const model = smallConfig({ nLayer: 1 });
  const tensors = new Map(listTensors(model).map(({ name, shape }) => [name, shape.reduce((a, b) => a * b, 1)]));
  const readTensor = async (name: string) => new Float32Array(tensors.get(name)!);
  const target = join(directory, 'model');
  await writeModelDirectory(target, { model, tokenizerFiles: {}, readTensor });
  return target;
}

/** JSON as bytes: some values hostile, or its text damaged. */
function hostileJson(random: Random, value: unknown): Buffer {
  const mutated = random.mutate(value, 1 + random.below(3));
  let text: string | undefined;
  try {
    text = JSON.stringify(mutated);
  } catch {
    // A bigint, which JSON has not.
  }
  const bytes = Buffer.from(text ?? JSON.stringify(value));
  return random.happens(0.2) ? random.damage(bytes) : bytes;
}

const safetensors: Target = {
  async open(directory) {
    const model = await writeSmallModel(directory);
    const whole = await readFile(join(model, 'model.safetensors'));
    const length = Number(whole.readBigUInt64LE());
    const header = JSON.parse(whole.toString('utf8', 8, 8 + length));
    const path = join(directory, 'damaged.safetensors');
    return async (random) => {
      const head = Buffer.alloc(8);
      const json = hostileJson(random, header);
      head.writeBigUInt64LE(BigInt(random.happens(0.1) ? random.below(2 ** 31) : json.length));
      const isDamaged = random.happens(0.5);
      await writeFile(path, isDamaged ? random.damage(whole) : Buffer.concat([head, json, whole.subarray(8 + length)]));
      const file = await openSafetensors(path);
      try {
        for (const name of file.names) await file.read(name);
      } finally {
        await file.close();
      }
    };
  },
};

const modelConfigs: Target = {
  async open(directory) {
    const model = await writeSmallModel(directory);
    const configs = [
      configToHuggingFace(smallConfig({ nLayer: 1 })),
      configToHuggingFace(smallLlama({ nLayer: 1, ropeScaling: { type: 'linear', factor: 2 } })),
    ];
    return async (random) => {
      await writeFile(join(model, 'config.json'), hostileJson(random, random.pick(configs)));
      await (await openModel(model)).close();
    };
  },
};

const tokenShards: Target = {
  async open(directory) {
    const text = join(directory, 'text.txt');
    await writeFile(text, 'It was the best of times, it was the worst of times. '.repeat(40));
    const data = join(directory, 'data');
    const { splits } = await prepare({ inputs: [text], output: data, tokenizer: 'chars', workers: 0 });
    const shard = await readFile(join(data, splits.train.files[0]!));
    const manifest = JSON.parse(await readFile(join(data, 'manifest.json'), 'utf8'));
    const path = join(directory, 'shard.bin');
    return async (random) => {
      if (random.happens(0.4)) {
        await writeFile(join(data, 'manifest.json'), hostileJson(random, manifest));
        await readManifest(data);
        return;
      }
      await writeFile(path, random.damage(shard));
      const file = await openTokenFile(path, { vocabSize: 20 });
      try {
        await file.readTokens(0, file.tokenCount);
      } finally {
        await file.close();
      }
    };
  },
};

/** Of several kinds, each with what others have not. */
const tokenizers = [
  {
    added_tokens: [{ id: 4, content: '<s>', special: true }],
    normalizer: { type: 'Sequence', normalizers: [{ type: 'NFD' }, { type: 'Lowercase' }] },
    pre_tokenizer: { type: 'Split', pattern: { Regex: '\\w+|\\s' }, behavior: 'Isolated', invert: false },
    decoder: { type: 'ByteLevel' },
    model: { type: 'BPE', vocab: { a: 0, b: 1, ab: 2, '<unk>': 3 }, merges: ['a b'], unk_token: '<unk>' },
  },
  {
    added_tokens: [],
    normalizer: { type: 'BertNormalizer', clean_text: true, lowercase: true },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      vocab: { '[UNK]': 0, a: 1, '##b': 2 },
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
    },
  },
  {
    added_tokens: [{ id: 3, content: '</s>', special: true }],
    normalizer: { type: 'Replace', pattern: { Regex: ' +' }, content: ' ' },
    pre_tokenizer: { type: 'Metaspace', replacement: '\u2581', prepend_scheme: 'always' },
    decoder: { type: 'Metaspace', replacement: '\u2581' },
    model: {
      type: 'Unigram',
      vocab: [
        ['<unk>', 0],
        ['\u2581', -1],
        ['a', -2],
        ['</s>', 0],
      ],
      unk_id: 0,
    },
  },
  {
    added_tokens: [],
    pre_tokenizer: { type: 'Whitespace' },
    model: { type: 'WordLevel', vocab: { a: 0, '<unk>': 1 }, unk_token: '<unk>' },
  },
];

const tokenizerFiles: Target = {
  async open(directory) {
    const path = join(directory, 'tokenizer.json');
    return async (random) => {
      const bytes = hostileJson(random, random.pick(tokenizers));
      await writeFile(path, bytes);
      const tokenizer = random.happens(0.5)
        ? await loadTokenizer(path)
        : createTokenizer({ name: 'huggingface', files: { 'tokenizer.json': bytes.toString() } });
      const ids = tokenizer.encode(random.pick(['ab a  b', '', 'aab \ud83d\ude00 <s>', 'a'.repeat(1000)]));
      tokenizer.decode(ids);
      tokenizer.byteLength(ids);
    };
  },
};

const runConfigs: Target = {
  async open(directory) {
    const config = {
      model: {
        architecture: 'llama',
        nLayer: 2,
        nHead: 2,
        nEmbd: 32,
        contextLength: 32,
        ropeScaling: { type: 'linear', factor: 2 },
      },
      data: { directory: 'nowhere' },
      output: 'nowhere',
      steps: 10,
      batchSize: 2,
      est: {
        schedule: [{ endStep: 5, heads: [0.5, 1], choose: 'first' }, { transition: 'stack' }],
        groupsPerStep: 'auto',
      },
      optimizer: { learningRate: 1e-3, warmupSteps: 2, schedule: 'cosine' },
      evaluation: { every: 5 },
    };
    const path = join(directory, 'run.yaml');
    return async (random) => {
      const mutated = random.mutate<object>(config, 1 + random.below(3));
      let text: string;
      try {
        text = stringify(mutated) ?? '';
      } catch {
        text = stringify(config);
      }
      await writeFile(path, random.happens(0.4) ? random.damage(Buffer.from(text)) : text);
      await loadTrainConfig(path, { set: [`optimizer.learningRate=${String(random.pick([1, 'x', '[', '{a: 1}']))}`] });
    };
  },
};

export const fileTrials: Record<string, { open(directory: string): Promise<Trial> }> = {
  safetensors,
  'config.json': modelConfigs,
  'token shards': tokenShards,
  'tokenizer.json': tokenizerFiles,
  'run configurations': runConfigs,
};
