// A link to another page of the same server. A tab that it opens gets the token from this one, which a browser gives to it only if
// a script does it.

import { type Child, h } from './dom.ts';

export function tabLink(
  href: string,
  { id, class: className }: { id?: string; class?: string },
  ...children: Child[]
): HTMLAnchorElement {
  const inTab = (event: Event) => {
    const { button, ctrlKey, metaKey } = event as MouseEvent;
    if (button !== 1 && !ctrlKey && !metaKey) return;
    event.preventDefault();
    window.open(href, '_blank');
  };
  return h('a', { href, id, class: className, click: inTab, auxclick: inTab }, ...children);
}
