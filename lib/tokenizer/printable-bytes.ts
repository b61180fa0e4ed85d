// The printable stand-ins of byte-level BPE (openai/gpt-2, encoder.py), by which files name tokens: 33-126, 161-172 and
// 174-255 stand for themselves, the other 68 bytes become U+0100, U+0101, ... in order. A space is U+0120.

export const printableByte: readonly string[] = (() => {
  let extra = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
    return String.fromCharCode(isPrintable ? byte : 256 + extra++);
  });
})();

const byteOf: ReadonlyMap<string, number> = new Map(printableByte.map((character, byte) => [character, byte]));

export function toPrintable(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += printableByte[byte]!;
  return text;
}

/** The bytes that a printable text stands for; undefined when one of its characters stands for none. */
export function fromPrintable(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const byte = byteOf.get(text[i]!);
    if (byte === undefined) return undefined;
    bytes[i] = byte;
  }
  return bytes;
}
