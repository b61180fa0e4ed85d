// What the live page shows to who has no token, or that of another run.

import { fill, h } from './dom.ts';
import { keepToken } from './token.ts';

/**
 * @param options.command that prints the address. @param options.tokenPlace the directory with the token's file.
 * @param isWrong whether there was one.
 */
export function showLocked(
  root: HTMLElement,
  { command, tokenPlace }: { command: string; tokenPlace: string },
  isWrong: boolean,
): void {
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
      h(
        'h2',
        { role: 'alert' },
        isWrong
          ? `This is not the token of this ${command === 'burgeon train' ? 'run' : 'dashboard'}`
          : 'This page needs its token',
      ),
      h(
        'p',
        {},
        'Open the whole address that ',
        h('code', {}, command),
        ' printed when it began: ',
        h('code', {}, `${location.origin}/#token=…`),
      ),
      h('p', {}, 'The token is also in the file ', h('code', {}, '.burgeon.token'), ` of ${tokenPlace}:`),
      h('form', { submit: open }, h('label', { for: 'token' }, 'token'), input, h('button', {}, 'Open')),
    ),
  );
  input.focus();
}
