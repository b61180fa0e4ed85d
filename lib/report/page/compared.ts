// The dashboard's page of chosen runs: their report as they are now, against the first of them.

import type { ReportData } from '../page-data.ts';
import { reloadForNewToken } from './connection.ts';
import { type Child, fill, h } from './dom.ts';
import { showLocked } from './locked.ts';
import { Page } from './page.ts';
import { takeToken } from './token.ts';

/** @param names as in the address. */
export async function showCompared(
  root: HTMLElement,
  names: string,
  place: { command: string; tokenPlace: string; above: Child },
): Promise<void> {
  reloadForNewToken();
  const token = takeToken();
  if (token === '') return showLocked(root, place, false);
  const say = (text: string) => fill(root, place.above, h('p', { class: 'note', role: 'status' }, text));
  say('reading the runs');
  try {
    const response = await fetch(`/report/${names}`, { headers: { authorization: `Bearer ${token}` } });
    if (response.status === 401) showLocked(root, place, true);
    else if (response.ok) new Page(root, { above: place.above }).draw((await response.json()) as ReportData);
    else say(await response.text());
  } catch {
    say('the dashboard does not answer; reload this page when it does');
  }
}
