// A small corpus of which three documents repeat others, for tests.

import type { useTempDirectory } from '../../data/temp-directory.ts';

const words = (seed: number, count = 80) => Array.from({ length: count }, (_, i) => `w${seed}n${i}`).join(' ');
const lines = (...texts: string[]) => texts.map((text) => `${JSON.stringify({ text })}\n`).join('');

/** Writes a.txt, b.jsonl and c.txt into `in`. */
export async function writeRepeatedText(temp: ReturnType<typeof useTempDirectory>) {
  await temp.write('in/a.txt', words(1));
  // The blank line is no document, the blank text is an empty one.
  await temp.write('in/b.jsonl', `${lines(words(2), ' ')}\n${lines(`${words(1)} and more`, words(3))}`);
  await temp.write('in/c.txt', `${words(4)}<|>${words(3)}<|>${words(2)}`);
}

/** How to read it, and to drop what repeats. */
export const repeatedTextOptions = { dropNearDuplicates: true, delimiter: '<|>' } as const;
