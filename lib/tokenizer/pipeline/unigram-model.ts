// The Unigram model of a tokenizer.json: of all ways to cut a piece into tokens the one with the largest sum of scores
// (Viterbi); what no token covers is unknown, and unknown neighbours are one token. Behaviour as in the tokenizers library
// (Rust, models/unigram).

import { unsupported } from './unsupported.ts';
import { byteIds, type ModelPart, type PieceEncoder, unknownText } from './vocabulary.ts';

/** Source: sentencepiece, kUnkPenalty. */
const unknownPenalty = 10;

interface Node {
  children: Map<string, Node>;
  /** Of the token that ends here. */
  score?: number;
}

/** The best way to a place. */
interface Arrival {
  start: number;
  score: number;
  isUnknown: boolean;
}

export function createUnigramModel({ part, ordinary, all }: ModelPart): PieceEncoder {
  const vocab = part.vocab as [string, number][];
  const unknown = part.unk_id === null ? undefined : (part.unk_id as number | undefined);
  const least = vocab.reduce((smallest, [, score]) => Math.min(smallest, score), Infinity);
  if (!Number.isFinite(least)) throw unsupported('model Unigram with scores that are not numbers');
  const root = buildTrie(ordinary, new Map(vocab));
  const fallback = (text: string): number[] => {
    const bytes = part.byte_fallback ? byteIds(all, text) : undefined;
    if (bytes !== undefined) return bytes;
    if (unknown === undefined) throw unknownText(text);
    return [unknown];
  };
  return (piece, ids) => {
    const spans = bestSpans(piece, root, least - unknownPenalty);
    for (let i = 0; i < spans.length; i++) {
      const { start, isUnknown } = spans[i]!;
      // Neighbours that are unknown are one.
      while (isUnknown && spans[i + 1]?.isUnknown) i++;
      const text = piece.slice(start, spans[i + 1]?.start ?? piece.length);
      const id = ordinary.get(text);
      if (id !== undefined) ids.push(id);
      else ids.push(...fallback(text));
    }
  };
}

function buildTrie(tokens: ReadonlyMap<string, number>, scores: ReadonlyMap<string, number>): Node {
  const root: Node = { children: new Map() };
  for (const token of tokens.keys()) {
    const score = scores.get(token);
    if (score === undefined || token === '') continue;
    let node = root;
    for (const character of token) {
      const child = node.children.get(character) ?? { children: new Map() };
      node.children.set(character, child);
      node = child;
    }
    node.score = score;
  }
  return root;
}

function bestSpans(piece: string, root: Node, unknownScore: number): Arrival[] {
  const arrivals: (Arrival | undefined)[] = new Array(piece.length + 1);
  arrivals[0] = { start: -1, score: 0, isUnknown: false };
  const arrive = (at: number, arrival: Arrival) => {
    const best = arrivals[at];
    if (best === undefined || arrival.score > best.score) arrivals[at] = arrival;
  };
  for (let start = 0; start < piece.length; ) {
    const { score: before } = arrivals[start]!;
    const first = String.fromCodePoint(piece.codePointAt(start)!).length;
    let hasSingle = false;
    let node: Node | undefined = root;
    for (let end = start; end < piece.length; ) {
      const character = String.fromCodePoint(piece.codePointAt(end)!);
      node = node.children.get(character);
      if (node === undefined) break;
      end += character.length;
      if (node.score === undefined) continue;
      arrive(end, { start, score: before + node.score, isUnknown: false });
      hasSingle ||= end - start === first;
    }
    if (!hasSingle) arrive(start + first, { start, score: before + unknownScore, isUnknown: true });
    start += first;
  }
  const spans: Arrival[] = [];
  for (let end = piece.length; end > 0; end = arrivals[end]!.start) spans.push(arrivals[end]!);
  return spans.reverse();
}
