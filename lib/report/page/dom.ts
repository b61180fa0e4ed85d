// Elements in one expression. Text is always text, never markup.

type Attributes = Record<string, string | number | boolean | undefined | ((event: Event) => void)>;
export type Child = Node | string | undefined | false;

export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== undefined && child !== false));
  return element;
}

export interface TableOptions {
  /** Place of the column that answers what the table is asked: on a narrow screen it stands beside the first. */
  answer?: number;
  /** Whether columns have equal widths, as in a table below a similar one. */
  isEven?: boolean;
}

/**
 * A table whose first column is a heading of its row. On a narrow screen each row is a block: heading and answer in its first line,
 * the other cells below with the heads of their columns.
 */
export function table(
  head: readonly Child[],
  rows: readonly (readonly Child[])[],
  { answer = head.length - 1, isEven = false }: TableOptions = {},
): HTMLElement {
  const labels = head.map((cell) => (typeof cell === 'string' ? cell : ''));
  // Roles, because a row that is a block is none otherwise.
  const cell = (content: Child, i: number) =>
    i === 0
      ? h('th', { scope: 'row', role: 'rowheader' }, content)
      : h('td', { role: 'cell', 'data-label': labels[i], class: i === answer ? 'answer' : undefined }, content);
  const heads = head.map((content) => h('th', { scope: 'col', role: 'columnheader' }, content));
  return h(
    'div',
    { class: 'scroll', tabindex: 0 },
    h(
      'table',
      { role: 'table', class: isEven ? 'even' : undefined },
      h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, ...heads)),
      h('tbody', { role: 'rowgroup' }, ...rows.map((row) => h('tr', { role: 'row' }, ...row.map(cell)))),
    ),
  );
}

/** A bit of line, as a chart draws it. */
export function swatch(kind: string, { color, isDashed }: { color: string; isDashed: boolean }): HTMLElement {
  return h('i', { class: isDashed ? `${kind} dashed` : kind, style: `--color: var(${color})` });
}

/** Replaces what is in an element, keeping focus where nothing changed. */
export function fill(element: Element, ...children: Child[]): void {
  element.replaceChildren(...children.filter((child) => child !== undefined && child !== false));
}

/** A colour of the style sheet. */
export function cssColor(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
