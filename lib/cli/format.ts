// Tables for terminals, and the numbers in them. Pure.

import { stripVTControlCharacters } from 'node:util';

export { bytes, count, counted, duration, percent, plural, small } from '../format.ts';

/** Columns of a terminal that a text takes: its colours take none. */
const widthOf = (text: string) => stripVTControlCharacters(text).length;
const padding = (text: string, width: number) => ' '.repeat(Math.max(0, width - widthOf(text)));

/** Aligned columns: the first to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[], indent = '  '): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => widthOf(row[column] ?? ''))));
  return rows
    .map((row) => {
      const cells = row.map((cell, column) =>
        column === 0 ? `${cell}${padding(cell, widths[column]!)}` : `${padding(cell, widths[column]!)}${cell}`,
      );
      return `${indent}${cells.join('  ')}`.trimEnd();
    })
    .join('\n');
}

/** "name  value" lines with aligned values. */
export function facts(rows: readonly (readonly [string, string])[], indent = '  '): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${indent}${name.padEnd(width)}  ${value}`).join('\n');
}

/** Widest line of a text; narrower than most terminals. */
const lineWidth = 99;

/** A text broken at spaces; lines after the first are indented further, by `hanging`. What has no spaces is never broken. */
export function wrapped(text: string, indent = '', hanging = `${indent}  `): string {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(' ')) {
    const isFirst = line.trim() === '';
    if (!isFirst && widthOf(line) + 1 + widthOf(word) > lineWidth) {
      lines.push(line);
      line = `${hanging}${word}`;
    } else line += isFirst ? word : ` ${word}`;
  }
  return [...lines, line].join('\n');
}

/** A text with its middle left out where it is longer than `width`. */
export function shortened(text: string, width: number): string {
  if (text.length <= width) return text;
  const head = Math.floor((width - 1) / 2);
  return `${text.slice(0, head)}…${text.slice(text.length - (width - 1 - head))}`;
}
