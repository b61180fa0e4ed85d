// "Cleaning up" spaces before punctuation and contractions, of transformers (clean_up_tokenization_spaces) and of the WordPiece
// decoder, whole and as a stream.

const transformersPairs: readonly (readonly [string, string])[] = [
  [' .', '.'],
  [' ?', '?'],
  [' !', '!'],
  [' ,', ','],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
];

/** Of a whole text, as transformers does it. */
export function cleanUp(text: string): string {
  return transformersPairs.reduce((cleaned, [from, to]) => cleaned.replaceAll(from, to), text);
}

/** Of one token, as the WordPiece decoder of the tokenizers library does it: one rule more. */
export function cleanUpToken(token: string): string {
  const rules = [...transformersPairs.slice(0, 7), [' do not', " don't"] as const, ...transformersPairs.slice(7)];
  return rules.reduce((cleaned, [from, to]) => cleaned.replaceAll(from, to), token);
}

/**
 * cleanUp of a text that arrives in pieces. Every rule begins with a space and is at most four characters long, and rules only take
 * spaces away: so after three characters without a space nothing that follows changes what was before.
 */
export class CleanUpStream {
  #held = '';

  /** @returns what is certain by now. */
  push(text: string): string {
    const from = Math.max(0, this.#held.length - 2);
    this.#held += text;
    for (let end = this.#held.length; end >= from + 3; end--) {
      if (this.#held.slice(end - 3, end).includes(' ')) continue;
      const certain = this.#held.slice(0, end);
      this.#held = this.#held.slice(end);
      return cleanUp(certain);
    }
    return '';
  }

  /** @returns the rest. */
  end(): string {
    const rest = cleanUp(this.#held);
    this.#held = '';
    return rest;
  }
}
