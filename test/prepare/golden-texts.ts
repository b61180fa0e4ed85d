// The documents in test/golden/texts*, see make_text_files.py there.

import { join } from 'node:path';

export const goldenTexts = Array.from({ length: 300 }, (_, i) => {
  const words = Array.from({ length: (i * 7) % 150 }, (_, j) => `wörd ${(i * j) % 97} 🌱`);
  return `Document ${i}: ${words.join(' ')}\n`;
});

export function goldenPath(name: string): string {
  return join(import.meta.dirname, '..', 'golden', name);
}
