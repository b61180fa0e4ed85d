// The character map that sentencepiece compiles into a tokenizer.json ("Precompiled"): a double-array trie from UTF-8 bytes to
// places in a pool of NUL-terminated replacements. Source: the spm_precompiled crate that the tokenizers library uses.

import { unsupported } from './unsupported.ts';

/**
 * @param base64 size of the trie in bytes (32 bits), its units (32 bits each), the pool; all little-endian.
 * @throws {BurgeonError} ERR_BURGEON_DATA when that is not what it holds.
 */
export function createPrecompiled(base64: string): (text: string) => string {
  const bytes = Buffer.from(base64, 'base64');
  const trieBytes = bytes.length >= 4 ? bytes.readUInt32LE(0) : 0;
  if (bytes.length < 4 || trieBytes % 4 !== 0 || 4 + trieBytes > bytes.length) {
    throw unsupported('normalizer Precompiled with a damaged character map', 'get the file again');
  }
  const trie = new Uint32Array(trieBytes / 4);
  for (let i = 0; i < trie.length; i++) trie[i] = bytes.readUInt32LE(4 + 4 * i);
  const pool = bytes.subarray(4 + trieBytes);
  const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });

  /** What stands for this text as a whole, if anything does: the shortest entry that begins it. */
  function replacement(text: string): string | undefined {
    const at = shortestPrefix(trie, Buffer.from(text, 'utf8'));
    if (at === undefined) return undefined;
    const end = pool.indexOf(0, at);
    return pool.toString('utf8', at, end < 0 ? pool.length : end);
  }

  return (text) => {
    let normalized = '';
    for (const { segment } of segmenter.segment(text)) {
      // The library looks longer graphemes up by their characters only.
      const whole = Buffer.byteLength(segment) < 6 ? replacement(segment) : undefined;
      if (whole !== undefined) normalized += whole;
      else for (const character of segment) normalized += replacement(character) ?? character;
    }
    return normalized;
  };
}

/** The value of the shortest key that begins `key`. Unit layout: darts-clone. */
function shortestPrefix(trie: Uint32Array, key: Uint8Array): number | undefined {
  const offset = (unit: number) => (unit >>> 10) << ((unit & (1 << 9)) >>> 6);
  let position = offset(trie[0] ?? 0);
  for (const byte of key) {
    if (byte === 0) return undefined;
    position ^= byte;
    const unit = trie[position];
    if (unit === undefined || (unit & 0x800000ff) >>> 0 !== byte) return undefined;
    position ^= offset(unit);
    if (((unit >>> 8) & 1) === 1) return (trie[position] ?? 0) & 0x7fffffff;
  }
  return undefined;
}
