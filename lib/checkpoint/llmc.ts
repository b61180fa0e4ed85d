// GPT-2 checkpoints of karpathy/llm.c: model_*.bin, fp32 (version 3) and bf16 (version 5). A header of 256 int32, then 16
// tensors, each of all layers together, matrices [out, in]; the vocabulary is padded to a multiple of 128. Source: llm.c
// train_gpt2.py and train_gpt2.cu.

import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Gpt2Config, ModelConfig } from '../config/model-config.ts';
import { listTensors } from '../config/tensors.ts';
import { syncDirectory, writeDurably } from '../files/durable-file.ts';
import { exists } from '../files/path-kinds.ts';
import { checkpointError, explainFailedWrite, explainFailure } from '../formats/checkpoint-error.ts';
import { decodeBfloat16, encodeBfloat16 } from '../formats/half-floats.ts';
import type { ModelContents, OpenModelDirectory } from './model-directory.ts';
import { transpose } from './transpose.ts';

const magic = 20240326;
const headerInts = 256;
const headerBytes = 4 * headerInts;
const versions = { F32: 3, BF16: 5 } as const;
const vocabMultiple = 128;
/** llm.c has it compiled in. */
const epsilon = 1e-5;

type LlmcType = keyof typeof versions;

/** One of the 16, in file order: that of transformers, each for all layers. */
interface StoredTensor {
  /** How many there are, one per layer or one. */
  count: number;
  /** Hugging Face's name of one of them. */
  name(layer: number): string;
  /** As stored, of one layer. */
  rows: number;
  cols: number;
  /** Rows that belong to the model; the rest is padding. */
  usedRows: number;
  /** Whether Hugging Face stores the transpose. */
  transposed: boolean;
}

function storedTensors(model: Gpt2Config, paddedVocab: number): StoredTensor[] {
  // Of one layer, as a header may claim any number of them.
  return listTensors({ ...model, nLayer: 1 }).map((tensor) => {
    const { layer, rows, stored, shape } = tensor;
    // Matrices are [out, in] but for the embeddings; only the layers' are products, and GPT-2's of Hugging Face [in, out].
    const isLinear = layer === 0 && stored !== 'vector';
    const [first, second] = stored === 'vector' ? [1, shape[0]!] : (shape as [number, number]);
    const [usedRows, cols] = isLinear ? [second, first] : [first, second];
    return {
      count: layer < 0 ? 1 : model.nLayer,
      name: (i) => tensor.in(layer < 0 ? -1 : i),
      rows: rows === 'vocabulary' ? paddedVocab : usedRows,
      ...{ cols, usedRows, transposed: isLinear },
    };
  });
}

/**
 * Writes a model for llm.c.
 * @param path must not exist.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT for a model that the format cannot hold.
 */
export function writeLlmc(path: string, contents: ModelContents, dtype: LlmcType): Promise<void> {
  return explainFailedWrite(`writing ${path}`, 'no file is left', async () => {
    const model = requireLlmcModel(contents.model);
    const paddedVocab = Math.ceil(model.vocabSize / vocabMultiple) * vocabMultiple;
    const { contextLength, vocabSize, nLayer, nHead, nEmbd } = model;
    const header = new Int32Array(headerInts);
    header.set([magic, versions[dtype], contextLength, vocabSize, nLayer, nHead, nEmbd, paddedVocab]);
    if (await exists(path)) throw checkpointError(`${path}: expected no such file, found one`);
    await writeWhole(path, async (write) => {
      await write(new Uint8Array(header.buffer));
      for (const stored of storedTensors(model, paddedVocab)) {
        const { rows, cols } = stored;
        for (let layer = 0; layer < stored.count; layer++) {
          const values = await contents.readTensor(stored.name(layer));
          const padded = new Float32Array(rows * cols);
          padded.set(stored.transposed ? transpose(values, cols, rows) : values);
          const data = dtype === 'BF16' ? encodeBfloat16(padded) : padded;
          await write(new Uint8Array(data.buffer));
        }
      }
    });
  });
}

/** A file that has its name when it is whole: a kill leaves one that nobody takes for a model. */
async function writeWhole(path: string, body: Parameters<typeof writeDurably>[1]): Promise<void> {
  const next = `${path}.new`;
  await rm(next, { force: true });
  await writeDurably(next, body);
  try {
    await rename(next, path);
  } catch (error) {
    await rm(next, { force: true }).catch(() => {});
    throw error;
  }
  await syncDirectory(dirname(path));
}

function requireLlmcModel(model: ModelConfig): Gpt2Config {
  const refuse = (what: string) => checkpointError(`the llm.c format holds GPT-2 models only, ${what}`);
  if (model.architecture !== 'gpt2') throw refuse(`this is a ${model.architecture}; use --format huggingface`);
  if (model.nInner !== 4 * model.nEmbd) {
    throw refuse(`with 4 x ${model.nEmbd} MLP neurons; this one has ${model.nInner}`);
  }
  if (model.layerNormEpsilon !== epsilon) {
    throw refuse(`with a LayerNorm epsilon of ${epsilon}; this one has ${model.layerNormEpsilon}`);
  }
  return model;
}

/**
 * Opens a file that llm.c or `writeLlmc` wrote. It names no tokenizer.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT naming the file and what is wrong with it.
 */
export function openLlmc(path: string): Promise<OpenModelDirectory> {
  return explainFailure(`reading model ${path}`, async () => {
    const handle = await open(path, 'r');
    try {
      const { model, dtype, paddedVocab } = await readHeader(path, handle);
      // Before anything is built as large as the header claims.
      await checkSize(path, handle, model, paddedVocab, dtype);
      const places = locate(model, paddedVocab, dtype);
      return {
        directory: path,
        model,
        endOfText: undefined,
        tokenizerFiles: {},
        readTensor: (name) =>
          explainFailure(`reading tensor ${name} of ${path}`, async () => {
            const place = places.get(name);
            if (place === undefined) throw checkpointError(`${path}: no tensor is called ${name}`);
            return readStored(path, handle, place.stored, place.begin, dtype);
          }),
        close: () => handle.close(),
      };
    } catch (error) {
      await handle.close();
      throw error;
    }
  });
}

async function readHeader(path: string, handle: FileHandle) {
  const header = new Int32Array(headerInts);
  const { bytesRead } = await handle.read(new Uint8Array(header.buffer), 0, headerBytes, 0);
  if (bytesRead < 4 || header[0] !== magic) {
    const found = bytesRead < 4 ? `${bytesRead} bytes` : `first number ${header[0]}`;
    throw checkpointError(
      `${path}: expected a model directory or a model_*.bin of llm.c (first number ${magic}), found ${found}`,
    );
  }
  if (bytesRead < headerBytes) {
    throw checkpointError(
      `${path}: expected a header of ${headerBytes} bytes, found ${bytesRead}; the file is cut off, copy it again`,
    );
  }
  const version = header[1];
  const dtype = (Object.keys(versions) as LlmcType[]).find((type) => versions[type] === version);
  if (dtype === undefined) {
    throw checkpointError(`${path}: version: expected 3 (fp32) or 5 (bf16), found ${version}`);
  }
  const [contextLength, vocabSize, nLayer, nHead, nEmbd, paddedVocab] = [...header.subarray(2, 8)] as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const sizes = { contextLength, vocabSize, nLayer, nHead, nEmbd, paddedVocab };
  for (const [name, value] of Object.entries(sizes)) {
    if (value < 1) throw checkpointError(`${path}: ${name}: expected a positive count, found ${value}`);
  }
  if (nEmbd % nHead !== 0)
    throw checkpointError(`${path}: nHead: expected a divisor of nEmbd (${nEmbd}), found ${nHead}`);
  if (paddedVocab < vocabSize) {
    throw checkpointError(`${path}: padded vocabulary: expected at least ${vocabSize}, found ${paddedVocab}`);
  }
  const model: Gpt2Config = {
    architecture: 'gpt2',
    nLayer,
    nHead,
    nEmbd,
    nInner: 4 * nEmbd,
    contextLength,
    vocabSize,
    layerNormEpsilon: epsilon,
  };
  return { model, dtype, paddedVocab };
}

const bytesPer: Readonly<Record<LlmcType, number>> = { F32: 4, BF16: 2 };

/** Where each tensor of the model begins, in bytes. */
function locate(model: Gpt2Config, paddedVocab: number, dtype: LlmcType) {
  const places = new Map<string, { stored: StoredTensor; begin: number }>();
  let begin = headerBytes;
  for (const stored of storedTensors(model, paddedVocab)) {
    for (let layer = 0; layer < stored.count; layer++) {
      places.set(stored.name(layer), { stored, begin });
      begin += stored.rows * stored.cols * bytesPer[dtype];
    }
  }
  return places;
}

async function checkSize(path: string, handle: FileHandle, model: Gpt2Config, paddedVocab: number, dtype: LlmcType) {
  const count = storedTensors(model, paddedVocab).reduce((sum, { count, rows, cols }) => sum + count * rows * cols, 0);
  const expected = headerBytes + count * bytesPer[dtype];
  const { size } = await handle.stat();
  if (size !== expected) {
    throw checkpointError(
      `${path}: expected ${expected} bytes for the sizes in its header, found ${size}; copy it again`,
    );
  }
}

async function readStored(path: string, handle: FileHandle, stored: StoredTensor, begin: number, dtype: LlmcType) {
  const { rows, cols, usedRows } = stored;
  const bytes = new Uint8Array(usedRows * cols * bytesPer[dtype]);
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await handle.read(bytes, done, Math.min(bytes.length - done, 2 ** 26), begin + done);
    if (bytesRead === 0) throw checkpointError(`${path}: ended at byte ${begin + done}: truncated while it was open`);
    done += bytesRead;
  }
  const values = dtype === 'BF16' ? decodeBfloat16(new Uint16Array(bytes.buffer)) : new Float32Array(bytes.buffer);
  return stored.transposed ? transpose(values, rows, cols) : values;
}
