// burgeon data dropped: what prepare left out as near-duplicates, and which kept documents they repeat.

import { join } from 'node:path';
import { readManifest } from '../data/manifest.ts';
import { BurgeonError } from '../errors.ts';
import type { DocumentExcerpt } from '../prepare/near-duplicates/filter.ts';
import { type ListedNearDuplicate, readNearDuplicates } from '../prepare/near-duplicates/list.ts';
import { onStdout } from './colour.ts';
import { percent, table } from './format.ts';
import { nearDuplicateText, placeText } from './near-duplicate-text.ts';

/** Kept documents that are shown, and bins of the shares. */
const mostKept = 5;
const shareBins = [0.5, 0.75, 0.9, 0.99, 1];

interface Dropped {
  total: number;
  /** The first of them. */
  documents: ListedNearDuplicate[];
  /** How many documents repeat so much: more than the bin before, up to `upTo`. */
  shares: { upTo: number; documents: number }[];
  /** The kept documents that most of them are like. */
  kept: { document: DocumentExcerpt; documents: number }[];
}

export async function showDropped(directory: string, flags: { limit: number | 'all'; json?: boolean }): Promise<void> {
  const { skipped, options } = await readManifest(directory);
  if (skipped.list === undefined) {
    const advice = options.dropNearDuplicates
      ? 'it was made by an earlier version, which wrote none: prepare the data again'
      : 'near-duplicates were not looked for: `burgeon prepare --drop-near-duplicates` does, with --dry-run to see what it would drop';
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `${directory}: expected a list of near-duplicates, the data set has none; ${advice}`,
    );
  }
  const dropped = await readDropped(join(directory, skipped.list), flags.limit === 'all' ? Infinity : flags.limit);
  console.log(flags.json ? JSON.stringify(dropped, null, 2) : describe(dropped, options.delimiter !== null));
}

async function readDropped(file: string, limit: number): Promise<Dropped> {
  const documents: ListedNearDuplicate[] = [];
  const shares = shareBins.map((upTo) => ({ upTo, documents: 0 }));
  const kept = new Map<string, Dropped['kept'][number]>();
  let total = 0;
  await readNearDuplicates(file, (dropped) => {
    if (total++ < limit) documents.push(dropped);
    shares.find(({ upTo }) => dropped.repeated <= upTo)!.documents++;
    const { share: _, ...document } = dropped.like;
    const key = `${document.number} ${document.file}`;
    const known = kept.get(key);
    if (known) known.documents++;
    else kept.set(key, { document, documents: 1 });
  });
  const most = [...kept.values()].sort((a, b) => b.documents - a.documents).slice(0, mostKept);
  return { total, documents, shares, kept: most };
}

function describe({ total, documents, shares, kept }: Dropped, isDelimited: boolean): string {
  if (total === 0) return 'nothing was left out as a near-duplicate';
  const list = documents.map((document) => nearDuplicateText(document, isDelimited));
  return [
    ...list,
    ...(total > documents.length ? [onStdout.aside(`${total - documents.length} more; --limit all lists them`)] : []),
    '',
    onStdout.title(`${total} document${total === 1 ? '' : 's'} left out as near-duplicates`),
    table([
      ['in earlier documents', 'documents'],
      ...shares.map(({ upTo, documents: n }, i) => [
        i === 0 ? `at most ${percent(upTo, 0)}` : `${percent(shareBins[i - 1]!, 0)} to ${percent(upTo, 0)} of it`,
        String(n),
      ]),
    ]),
    '',
    'kept documents that most of them are like',
    ...kept.map(
      ({ document, documents: n }) =>
        `  ${String(n).padStart(String(kept[0]!.documents).length)}  ${placeText(document, isDelimited)}  ${document.begins}`,
    ),
  ].join('\n');
}
