// What a directory is, by the names in it: so that nothing is written among the files of something else, and the message says what
// that is. Names only: this is asked of directories of any size, and of those that are damaged.

/** Words for what a directory holds, and the name that gives it away. */
export interface DirectoryKind {
  /** With its article: "a data set". */
  what: string;
  sign: string;
}

interface Rule {
  what: string;
  sign: RegExp;
  /** There as well. */
  beside?: RegExp;
}

/** In this order: a run may hold a tokenizer, a checkpoint is a model too. */
const rules: readonly Rule[] = [
  { what: 'a run', sign: /^(\.replaced-)?checkpoint-\d{8,}$|^metrics(-\d+)?\.jsonl$/ },
  { what: 'a sweep', sign: /^sweep\.json$/ },
  { what: 'a checkpoint', sign: /^checkpoint\.json$/ },
  { what: 'a data set', sign: /^manifest\.json$/, beside: /\.bin$/ },
  { what: 'a model', sign: /^config\.json$/, beside: /\.(safetensors|bin)$|^model\.safetensors\.index\.json$/ },
  { what: 'a tokenizer', sign: /^(burgeon_)?tokenizer\.json$|^vocab\.json$/ },
  { what: 'a git repository', sign: /^\.git$/ },
];

/** @returns undefined for a directory of any other kind. */
export function directoryKind(names: readonly string[]): DirectoryKind | undefined {
  for (const { what, sign, beside } of rules) {
    const found = names.find((name) => sign.test(name));
    if (found !== undefined && (!beside || names.some((name) => beside.test(name)))) return { what, sign: found };
  }
  return undefined;
}

/** Configurations, logs, notes and pages that people keep beside what is computed, and what systems put everywhere. */
const beside = /\.(ya?ml|log|out|err|txt|md|html|csv|tsv)$|^\.(gitkeep|gitignore|DS_Store|nfs\w+)$|^lost\+found$/;

/**
 * What somebody else's a directory holds, for a message: "a data set (manifest.json)", "other files (a.bin, b.bin, ...)".
 * @param isOwn which names are no reason to stay away.
 * @returns undefined where there is no reason to stay away.
 */
export function foreignContent(names: readonly string[], isOwn: (name: string) => boolean): string | undefined {
  const kind = directoryKind(names);
  if (kind !== undefined && !isOwn(kind.sign)) return `${kind.what} (${kind.sign})`;
  const foreign = names.filter((name) => !isOwn(name) && !beside.test(name)).sort();
  return foreign.length === 0 ? undefined : `other files (${someNames(foreign)})`;
}

/** The first few. */
export function someNames(names: readonly string[]): string {
  return `${names.slice(0, 3).join(', ')}${names.length > 3 ? ', ...' : ''}`;
}
