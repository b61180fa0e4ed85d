// What prepare did with each file, as a table. Pure.

import type { FileReport } from '../prepare/file-list.ts';
import { bytes, count, shortened, table } from './format.ts';

/** Files of a short table; of more, those with most text and the sum of the others. */
const mostFiles = 12;
const nameWidth = 44;

/** @param list where all of them are, if they are anywhere. */
export function fileTable(files: readonly FileReport[], list?: string): string {
  const isShort = files.length <= mostFiles;
  const shown = isShort ? files : [...files].sort((a, b) => b.bytes - a.bytes).slice(0, mostFiles - 2);
  const others = files.filter((file) => !shown.includes(file));
  const hasTokens = files.some(({ tokens }) => tokens);
  const row = (name: string, file: FileReport) => [
    shortened(name, nameWidth),
    count(file.documents),
    bytes(file.bytes),
    ...(hasTokens ? [count((file.tokens?.train ?? 0) + (file.tokens?.validation ?? 0))] : []),
    leftOut(file),
  ];
  return [
    table([
      ['file', 'documents', 'text', ...(hasTokens ? ['tokens'] : []), 'left out'],
      ...shown.map((file) => row(file.file, file)),
      ...(isShort ? [] : [row(`${others.length} more`, others.reduce(sum))]),
    ]),
    ...(isShort || list === undefined ? [] : [`  all of them: ${list}`]),
  ].join('\n');
}

/** "2 near-duplicates, 1 blank line". */
function leftOut({ empty, nearDuplicates, blankLines, invalidUtf8 }: FileReport): string {
  const parts = (
    [
      [nearDuplicates, 'near-duplicate', 's'],
      [empty, 'empty', ''],
      [blankLines, 'blank line', 's'],
      [invalidUtf8, 'bad character', 's'],
    ] as const
  ).flatMap(([n, word, plural]) => (n === 0 ? [] : [`${n} ${word}${n === 1 ? '' : plural}`]));
  return parts.length === 0 ? '-' : parts.join(', ');
}

function sum(one: FileReport, other: FileReport): FileReport {
  const add = (key: 'documents' | 'bytes' | 'kept' | 'empty' | 'nearDuplicates' | 'blankLines' | 'invalidUtf8') =>
    one[key] + other[key];
  const tokensOf = (split: 'train' | 'validation') => (one.tokens?.[split] ?? 0) + (other.tokens?.[split] ?? 0);
  return {
    file: '',
    documents: add('documents'),
    bytes: add('bytes'),
    kept: add('kept'),
    empty: add('empty'),
    nearDuplicates: add('nearDuplicates'),
    blankLines: add('blankLines'),
    invalidUtf8: add('invalidUtf8'),
    tokens: { train: tokensOf('train'), validation: tokensOf('validation') },
  };
}
