// Colours of terminals, where there is one that has them. NO_COLOR (no-color.org) switches them off, FORCE_COLOR on; the help
// of commander goes by the same two.

import process from 'node:process';
import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** Whether text written to a stream may be coloured. */
export function hasColours(stream: NodeJS.WriteStream, environment: NodeJS.ProcessEnv = process.env): boolean {
  const { NO_COLOR, FORCE_COLOR } = environment;
  if (NO_COLOR || FORCE_COLOR === '0' || FORCE_COLOR === 'false') return false;
  if (FORCE_COLOR !== undefined) return true;
  return stream.isTTY === true && stream.hasColors(environment);
}

/** What stands out, by meaning; each returns the text as it is where the stream has no colours. */
export class Palette {
  readonly #on: boolean;

  constructor(stream: NodeJS.WriteStream) {
    this.#on = hasColours(stream);
  }

  get hasColours(): boolean {
    return this.#on;
  }

  /** What a block of text is about. */
  title = (text: string) => this.#styled('bold', text);
  /** What can be typed. */
  command = (text: string) => this.#styled('cyan', text);
  good = (text: string) => this.#styled('green', text);
  /** Goes on all the same. */
  warning = (text: string) => this.#styled('yellow', text);
  bad = (text: string) => this.#styled('red', text);
  /** Beside the point. */
  aside = (text: string) => this.#styled('dim', text);
  /** Every second of things that stand side by side: a ground that can be read on whatever the terminal has. */
  second = (text: string) => this.#styled(['bgGray', 'whiteBright'], text);

  /** Something worth knowing beside the result. */
  note = (text: string) => `${this.warning('note:')} ${text}`;

  /** Titles of a help text, and the lines that can be typed. */
  help = (text: string) =>
    this.#on
      ? text.replace(/^[A-Z][^\n:]*:(?=\n|$| burgeon )/gm, this.title).replace(/^ {2}burgeon .*$/gm, this.command)
      : text;

  #styled(style: Style, text: string): string {
    return this.#on && text !== '' ? styleText(style, text) : text;
  }
}

export const onStdout = new Palette(process.stdout);
export const onStderr = new Palette(process.stderr);
