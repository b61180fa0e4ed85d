// Cutting strings between UTF-16 code units without separating the two halves of a code point.

/** Length of the text without a high surrogate at its end, whose partner may be the first unit of what follows. */
export function completeLength(text: string): number {
  return text.length > 0 && isHighSurrogate(text.charCodeAt(text.length - 1)) ? text.length - 1 : text.length;
}

export function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

export function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
