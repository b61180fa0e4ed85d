// What came, in an error message: short whatever it is, because it may be a file of 40 MB or an object that is nested a
// million times. Pure.

/** Characters of a quoted value. */
const mostCharacters = 60;
/** How much of a list is looked at: more could not be shown. */
const mostItems = 30;
const mostLevels = 4;

/** A value on one line, strings in quotes: "gelu", [1,2,3], {"a":null}, nothing for undefined. */
export function quote(value: unknown): string {
  let text: string;
  try {
    text = written(value, mostLevels);
  } catch {
    // A getter or a proxy that throws.
    text = typeof value;
  }
  return text.length <= mostCharacters ? text : `${text.slice(0, mostCharacters - 3)}...`;
}

/** Names, separated by commas, and how many more there are: as many as a person reads. */
export function listNames(names: readonly string[], most = 20): string {
  const shown = names.slice(0, most).map((name) => (name.length <= 200 ? name : `${name.slice(0, 197)}...`));
  return `${shown.join(', ')}${names.length > most ? ` and ${names.length - most} more` : ''}`;
}

function written(value: unknown, levels: number): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return JSON.stringify(value.slice(0, mostCharacters));
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) {
    if (levels === 0) return '[...]';
    return `[${value.slice(0, mostItems).map((item) => written(item, levels - 1))}]`;
  }
  if (levels === 0) return '{...}';
  if (!isPlain(value)) return `a ${Object.prototype.toString.call(value).slice(8, -1)}`;
  const fields: string[] = [];
  for (const key in value) {
    if (fields.length === mostItems) break;
    const item = (value as Record<string, unknown>)[key];
    if (item !== undefined) fields.push(`${JSON.stringify(key.slice(0, mostCharacters))}:${written(item, levels - 1)}`);
  }
  return `{${fields}}`;
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
