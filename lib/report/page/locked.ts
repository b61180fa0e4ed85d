// What the live page shows to who has no token, or that of another run.

import { fill, h } from './dom.ts';
import { keepToken } from './token.ts';

/** @param isWrong whether there was one. */
export function showLocked(root: HTMLElement, isWrong: boolean): void {
  const input = h('input', { id: 'token', type: 'password', autocomplete: 'off', spellcheck: 'false', required: true });
  const open = (event: Event) => {
    event.preventDefault();
    keepToken(input.value.trim());
    location.reload();
  };
  document.title = 'burgeon, live';
  fill(
    root,
    h('header', {}, h('h1', {}, 'burgeon, live')),
    h(
      'section',
      { id: 'locked' },
      h('h2', { role: 'alert' }, isWrong ? 'This is not the token of this run' : 'This page needs its token'),
      h(
        'p',
        {},
        'Open the whole address that ',
        h('code', {}, 'burgeon train'),
        ' printed when the run began: ',
        h('code', {}, `${location.origin}/#token=…`),
      ),
      h('p', {}, 'The token is also in the file ', h('code', {}, '.burgeon.token'), ' of the run directory:'),
      h('form', { submit: open }, h('label', { for: 'token' }, 'token'), input, h('button', {}, 'Open')),
    ),
  );
  input.focus();
}
