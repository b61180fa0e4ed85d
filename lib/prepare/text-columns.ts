// Which field or column holds the text: one for all inputs, or one of an input's own. Pure.

import { requireObject, requireText } from '../config/require.ts';
import { BurgeonError } from '../errors.ts';
import { listNames, quote } from '../quote.ts';
import { extensionsOf } from './file-blocks.ts';

export interface TextColumns {
  /** Field of .jsonl and .json, and column of .parquet that holds the text; "text" unless given. */
  textColumn?: string | undefined;
  /** Of single inputs, by what stands in `inputs`: { "web/*.parquet": "content" }. Each goes before `textColumn`. */
  textColumns?: Readonly<Record<string, string>> | undefined;
}

/** @throws {BurgeonError} ERR_BURGEON_CONFIG for a column without a name, or one of what is no input. */
export function requireTextColumns(inputs: readonly string[], { textColumn, textColumns }: TextColumns): void {
  // An empty one has a message of its own (requireTextOptions).
  if (textColumn !== undefined && textColumn !== '') requireText('textColumn', textColumn);
  if (textColumns === undefined) return;
  requireObject('textColumns', textColumns, 'an object of columns by input');
  for (const [input, column] of Object.entries(textColumns)) {
    requireText(`textColumns[${quote(input)}]`, column, 'the name of a column');
    if (!inputs.includes(input)) throw notAnInput('textColumns', input, inputs);
  }
}

/** The column of an input, and whether it is its own. */
export function columnOf(
  input: string,
  { textColumn, textColumns = {} }: TextColumns,
): { column: string | undefined; isOwn: boolean } {
  const isOwn = Object.hasOwn(textColumns, input);
  return { column: isOwn ? textColumns[input] : textColumn, isOwn };
}

/** Whether a file has fields or columns to choose from. */
export function hasColumns(path: string): boolean {
  return ['.jsonl', '.ndjson', '.json', '.parquet'].includes(extensionsOf(path)[0]);
}

/**
 * What `--text-column` says, each COLUMN or INPUT=COLUMN. A text with "=" always names an input, as it was given, so that a
 * misspelt one is not taken for a column.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG for an input that is none, and for two columns of the same.
 */
export function parseTextColumns(texts: readonly string[], inputs: readonly string[]): TextColumns {
  let textColumn: string | undefined;
  const textColumns: Record<string, string> = {};
  for (const text of texts) {
    if (!text.includes('=')) {
      if (textColumn !== undefined) throw twice('all inputs', textColumn, text);
      textColumn = text;
      continue;
    }
    // A path may have "=" too: year=2024/part.parquet.
    const named = [...new Set(inputs)].filter((input) => text.startsWith(`${input}=`));
    if (named.length === 0) throw notAnInput('--text-column', text.slice(0, text.lastIndexOf('=')), inputs);
    if (named.length > 1) {
      throw new BurgeonError(
        'ERR_BURGEON_CONFIG',
        `--text-column: ${quote(text)} may be of ${listNames(named)}; write one of these inputs differently, such as ./${named[0]}`,
      );
    }
    const [input] = named as [string];
    const column = text.slice(input.length + 1);
    if (column === '') {
      throw new BurgeonError(
        'ERR_BURGEON_CONFIG',
        `--text-column: expected a column after ${quote(`${input}=`)}, received nothing`,
      );
    }
    if (Object.hasOwn(textColumns, input)) throw twice(input, textColumns[input]!, column);
    textColumns[input] = column;
  }
  return {
    ...(textColumn === undefined ? {} : { textColumn }),
    ...(Object.keys(textColumns).length === 0 ? {} : { textColumns }),
  };
}

function twice(what: string, one: string, other: string): BurgeonError {
  return new BurgeonError(
    'ERR_BURGEON_CONFIG',
    `--text-column: expected one column for ${what}, received ${quote(one)} and ${quote(other)}; to give each input its own, write ` +
      '--text-column INPUT=COLUMN',
  );
}

function notAnInput(option: string, input: string, inputs: readonly string[]): BurgeonError {
  return new BurgeonError(
    'ERR_BURGEON_CONFIG',
    `${option}: expected one of the inputs as it was given (${listNames(inputs)}), received ${quote(input)}`,
  );
}
