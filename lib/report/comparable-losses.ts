// Whether the held-out losses of runs are of the same thing, as far as their `start` lines tell. Losses of runs with other
// tokenizers on the same text become bits per byte; other validation data or windows are refused. Pure.

import { BurgeonError } from '../errors.ts';
import { bitsPerByte, type DataDescription } from '../train/describe-data.ts';
import type { RunData } from './run-data.ts';

export type LossUnit = 'nats per token' | 'bits per byte';

export interface ComparableLosses {
  unit: LossUnit;
  /** The runs, losses in this unit. */
  runs: RunData[];
  /** For people: what was converted, and what cannot be told. */
  notes: string[];
}

/** How the evaluated tokens of a run stand to those of another. */
type Relation = 'same' | 'unknown' | 'other tokenizer' | { differs: string };

/**
 * @param runs at least one.
 * @throws {BurgeonError} ERR_BURGEON_DATA naming everything that differs.
 */
export function comparableLosses(runs: readonly RunData[]): ComparableLosses {
  const reference = runs.find(({ start }) => start?.data) ?? runs[0]!;
  const relations = runs.map((run) => (run === reference && run.start?.data ? 'same' : relationOf(reference, run)));
  const isConverted = relations.includes('other tokenizer');
  for (const [i, run] of runs.entries()) {
    const relation = relations[i]!;
    const differences = windowDifferences(reference, run);
    if (typeof relation === 'object') differences.push(relation.differs);
    if (relation === 'unknown' && isConverted) differences.push('tokenizer: known -> its metrics do not say');
    if (differences.length > 0) refuse(reference, run, differences);
  }
  const notes = [];
  const unknown = runs.filter((_, i) => relations[i] === 'unknown').map(({ name }) => name);
  if (unknown.length > 0) {
    notes.push(
      `cannot tell whether all runs were evaluated on the same tokens: the metrics of ${unknown.join(', ')} are of an ` +
        'earlier version and do not say',
    );
  }
  if (!isConverted) return { unit: 'nats per token', runs: [...runs], notes };
  notes.push(
    'the tokenizers differ, so losses are in bits per byte: over the bytes that the evaluated tokens stand for',
  );
  if (reference.start!.config.evaluation.windows !== 'all') {
    notes.push(
      'their evaluation windows hold other parts of the validation text; evaluation.windows=all takes all of it',
    );
  }
  return { unit: 'bits per byte', runs: runs.map(inBitsPerByte), notes };
}

function relationOf(a: RunData, b: RunData): Relation {
  const [ours, theirs] = [a.start?.data, b.start?.data];
  if (ours === undefined || theirs === undefined) return relationByVocabulary(a, b);
  if (ours.validation?.sha256 === theirs.validation?.sha256) return 'same';
  if (ours.tokenizer?.sha256 === theirs.tokenizer?.sha256) {
    return { differs: `evaluated tokens: ${targetsText(ours)} -> ${targetsText(theirs)}` };
  }
  if (!ours.validation?.bytes || !theirs.validation?.bytes) {
    return { differs: `tokenizer: ${ours.tokenizer?.name ?? 'not known'} -> ${theirs.tokenizer?.name ?? 'not known'}` };
  }
  if (ours.text !== null && JSON.stringify(ours.text) === JSON.stringify(theirs.text)) return 'other tokenizer';
  return { differs: `tokenizer and text: ${textText(ours)} -> ${textText(theirs)}` };
}

/** All that files of earlier versions tell: a vocabulary that came from the data is the tokenizer's. */
function relationByVocabulary(a: RunData, b: RunData): Relation {
  const [ours, theirs] = [a, b].map(({ start }) => {
    const isFromData = start !== undefined && start.config.model.vocabSize === undefined;
    return isFromData ? start.model.vocabSize : undefined;
  });
  if (ours === undefined || theirs === undefined || ours === theirs) return 'unknown';
  return { differs: `tokenizer: a vocabulary of ${ours} -> ${theirs}` };
}

/** What decides which tokens are predicted from which, by the configurations. */
function windowDifferences(a: RunData, b: RunData): string[] {
  if (a.start === undefined || b.start === undefined) return [];
  const [ours, theirs] = [a.start.config, b.start.config];
  const differences = [];
  if (ours.sequenceLength !== theirs.sequenceLength) {
    differences.push(`sequenceLength: ${ours.sequenceLength} -> ${theirs.sequenceLength}`);
  }
  // Two numbers mean the same windows where there are no more of them.
  const haveSameTargets = a.start.data?.validation && relationOf(a, b) === 'same';
  if (ours.evaluation.windows !== theirs.evaluation.windows && !haveSameTargets) {
    differences.push(`evaluation.windows: ${ours.evaluation.windows} -> ${theirs.evaluation.windows}`);
  }
  return differences;
}

function targetsText({ validation }: DataDescription): string {
  return validation === null
    ? 'none'
    : `${validation.targets} targets with SHA-256 ${validation.sha256.slice(0, 12)}...`;
}

function textText({ text, tokenizer }: DataDescription): string {
  const name = tokenizer?.name ?? 'not known';
  if (text === null) return `${name}, of text that is not known`;
  const { documents, bytes, nearDuplicates, validationFraction } = text;
  return `${name}, bytes: ${bytes}, documents: ${documents}, near-duplicates left out: ${nearDuplicates}, held out: ${validationFraction}`;
}

function refuse(a: RunData, b: RunData, differences: readonly string[]): never {
  throw new BurgeonError(
    'ERR_BURGEON_DATA',
    `${a.directory} and ${b.directory} cannot be compared, because their held-out losses are not of the same tokens:\n  ` +
      `${differences.join('\n  ')}\ntrain with the same evaluation, or compare their checkpoints on the same data with \`burgeon eval\``,
  );
}

/** Losses of training too, with the bytes per token of the validation text. */
function inBitsPerByte(run: RunData): RunData {
  const factor = bitsPerByte(1, run.start!.data)!;
  const scaled = <Column extends { loss: (number | null)[] }>(columns: Column): Column => ({
    ...columns,
    loss: columns.loss.map((loss) => (loss === null ? null : loss * factor)),
  });
  return { ...run, steps: scaled(run.steps), validation: scaled(run.validation) };
}
