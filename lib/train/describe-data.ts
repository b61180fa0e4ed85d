// What the losses of a run are measured on, as the `start` line says it: enough to tell later whether two runs were
// evaluated on the same tokens, and how many bytes of text a token stands for.

import { createHash } from 'node:crypto';
import type { DataIdentity } from '../data/data-identity.ts';
import type { Dataset, PreparedText } from '../data/dataset.ts';
import type { FixedBatch } from '../data/fixed-windows.ts';
import type { WindowRule } from '../data/token-source.ts';
import { sha256 } from '../tokenizer/description.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';

export interface DataDescription {
  /** SHA-256 of the tokenizer's description; null where the tokenizer of the token files is not known. */
  tokenizer: { name: string; sha256: string } | null;
  /** What was prepared, whatever the tokenizer; null for token files from elsewhere. */
  text: PreparedText | null;
  /** Which tokens training reads, and where their windows are cut; not in metrics of earlier versions. */
  train?: DataIdentity;
  windows?: WindowRule;
  /** Null without validation data. */
  validation: {
    /** Targets of one evaluation, and SHA-256 of them in order, as little-endian 32-bit integers. */
    targets: number;
    sha256: string;
    /** UTF-8 bytes that the targets stand for; null without a tokenizer. */
    bytes: number | null;
  } | null;
}

/** A loss on the validation windows in bits per UTF-8 byte of their text; null where that is not known. */
export function bitsPerByte(loss: number | null, data: DataDescription | undefined): number | null {
  const { targets, bytes } = data?.validation ?? {};
  return loss === null || !targets || !bytes ? null : (loss * targets) / bytes / Math.LN2;
}

/**
 * Reads the validation windows once.
 * @returns undefined where the signal stopped it.
 * @throws {BurgeonError} ERR_BURGEON_DATA where they cannot be read.
 */
export async function describeData(
  { text }: Dataset,
  tokenizer: Tokenizer | undefined,
  windows: AsyncIterable<FixedBatch> | undefined,
  signal?: AbortSignal,
): Promise<DataDescription | undefined> {
  const validation = windows ? await describeTargets(windows, tokenizer, signal) : null;
  if (signal?.aborted) return undefined;
  return {
    tokenizer: tokenizer ? { name: tokenizer.name, sha256: sha256(JSON.stringify(tokenizer.toJSON())) } : null,
    text: text ?? null,
    validation,
  };
}

async function describeTargets(
  windows: AsyncIterable<FixedBatch>,
  tokenizer: Tokenizer | undefined,
  signal: AbortSignal | undefined,
): Promise<NonNullable<DataDescription['validation']>> {
  const hash = createHash('sha256');
  let [count, bytes] = [0, 0];
  for await (const { targets } of windows) {
    if (signal?.aborted) break;
    hash.update(new Uint8Array(targets.buffer, targets.byteOffset, targets.byteLength));
    count += targets.length;
    if (tokenizer) bytes += tokenizer.byteLength(targets);
  }
  return { targets: count, sha256: hash.digest('hex'), bytes: tokenizer ? bytes : null };
}
