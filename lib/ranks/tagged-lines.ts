// Output of a process that shares a terminal or a log with others: whole lines, each with its tag.

import type { Readable } from 'node:stream';

/** Characters of a line that is passed on before its end. */
const mostCharacters = 65_536;

/**
 * Passes on what a stream says, line by line: `write` gets the tag, the line and its end at once. What is left without an end is
 * passed on when the stream ends.
 */
export function tagLines(stream: Readable, tag: string, write: (text: string) => void): void {
  let rest = '';
  const pass = (line: string) => write(`${tag}${line}\n`);
  stream.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    if (rest.length >= mostCharacters) {
      lines.push(rest);
      rest = '';
    }
    for (const line of lines) pass(line);
  });
  stream.on('end', () => {
    if (rest !== '') pass(rest);
  });
}
