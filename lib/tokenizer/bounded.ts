// Tokenizers whose regular expressions come out of a file: some take a time exponential in the text, such as (a+)+b, and
// none can be told from the others by its looks alone. So what they do has a limit of time.

import vm from 'node:vm';
import { BurgeonError } from '../errors.ts';
import type { TokenizerCore } from './tokenizer.ts';

/** Twenty times what the slowest tokenizers take, on a machine that is twenty times as busy. */
const baseMs = 20_000;
const msPerCharacter = 0.2;

const box = vm.createContext({});
const script = new vm.Script('work()');

/** The tokenizer, its encoding and decoding limited. */
export function bounded(core: TokenizerCore, source: string): TokenizerCore {
  const within = <Result>(length: number, work: () => Result): Result =>
    withinTime(baseMs + msPerCharacter * length, source, work);
  return {
    ...core,
    encode: (text) => within(text.length, () => core.encode(text)),
    decode: (tokens) => within(tokens.length, () => core.decode(tokens)),
  };
}

/**
 * The result of `work`, which runs in this thread and is broken off when its time is over, also within a match.
 * @throws {BurgeonError} ERR_BURGEON_DATA when it is, and for whatever else `work` throws: it goes by the file.
 */
export function withinTime<Result>(ms: number, source: string, work: () => Result): Result {
  // Work within work has the limit of the outer one.
  if (box.work !== undefined) return work();
  box.work = work;
  try {
    return script.runInContext(box, { timeout: Math.ceil(ms) });
  } catch (cause) {
    if (cause instanceof BurgeonError) throw cause;
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') {
      throw new BurgeonError(
        'ERR_BURGEON_DATA',
        `${source}: this tokenizer cannot be used (${(cause as Error).message}); the file is damaged or of a kind that is not known`,
        { cause },
      );
    }
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `${source}: a text took more than ${Math.ceil(ms / 1000)} s, so a regular expression in it (a normalizer's or ` +
        `pre-tokenizer's) hardly ever ends on such text; correct it, for instance (a+)+ to a+, or use another tokenizer`,
      { cause },
    );
  } finally {
    box.work = undefined;
  }
}
