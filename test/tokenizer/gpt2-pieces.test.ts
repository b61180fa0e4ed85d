import { describe, expect, it } from 'vitest';
import { loadAddon } from '../../lib/addon/load.ts';

describe('classes of characters', () => {
  const classes = loadAddon().binding.unicodeClasses();
  const patterns = [/\P{Any}/u, /\p{L}/u, /\p{N}/u, /\p{White_Space}/u];

  it('cover Unicode', () => {
    expect(classes).toHaveLength(0x110000);
    expect([...'aé漢7Ⅷ½ \u0085\u3000\uFEFF!🤯'].map((character) => classes[character.codePointAt(0)!])).toEqual([
      1, 1, 1, 2, 2, 2, 3, 3, 3, 0, 0, 0,
    ]);
    expect(classes.subarray(0xd800, 0xe000).every((unicodeClass) => unicodeClass === 0)).toBe(true);
  });

  // Other Nodes may have other Unicode data; then only characters that one of them does not know may differ.
  it("agree with JavaScript's regular expressions", () => {
    const differing: string[] = [];
    for (let codePoint = 0; codePoint < 0x110000; codePoint++) {
      const character = String.fromCodePoint(codePoint);
      const expected = Math.max(
        0,
        patterns.findIndex((pattern) => pattern.test(character)),
      );
      const isAssigned = /\P{Cn}/u.test(character);
      if (isAssigned && classes[codePoint] !== expected && !(Number(process.versions.unicode) > 17)) {
        differing.push(codePoint.toString(16));
      }
    }
    expect(differing).toEqual([]);
  });
});
