// The dashboard: a list of runs, a table for each directory of them, and at /run/NAME the page of one.

import { count, duration, percent } from '../../format.ts';
import type { DashboardEvent, RunOverview } from '../live-events.ts';
import { ChosenRuns } from './chosen-runs.ts';
import { showCompared } from './compared.ts';
import { follow, reloadForNewToken } from './connection.ts';
import { type Child, fill, h, table } from './dom.ts';
import { showLive } from './live.ts';
import { showLocked } from './locked.ts';
import { stateMark } from './runs-view.ts';
import { tabLink } from './tab-link.ts';
import { takeToken } from './token.ts';

const place = { command: 'burgeon dashboard', tokenPlace: 'the directory of the runs' };

const pathOf = (name: string) => `/run/${name.split('/').map(encodeURIComponent).join('/')}`;

export function showDashboard(root: HTMLElement): void {
  const compared = /^\/compare\/(.+)$/.exec(location.pathname)?.[1];
  if (compared !== undefined) {
    void showCompared(root, compared, { ...place, above: h('nav', {}, h('a', { href: '/' }, 'all runs')) });
    return;
  }
  const run = /^\/run\/(.+)$/.exec(location.pathname)?.[1];
  if (run === undefined) {
    showList(root);
    return;
  }
  const directory = decodeURIComponent(run).split('/').slice(0, -1).join('/');
  const above = h('nav', {}, h('a', { href: '/' }, 'all runs'), directory !== '' && ` / ${directory}`);
  showLive(root, { ...place, events: `/events/${run}`, isTraining: false, above });
}

function showList(root: HTMLElement): void {
  reloadForNewToken();
  const token = takeToken();
  if (token === '') {
    showLocked(root, place, false);
    return;
  }
  const head = h('header');
  const problem = h('p', { class: 'note', role: 'status' });
  const list = h('div', { id: 'list' });
  const chosen = new ChosenRuns();
  chosen.element.hidden = true;
  fill(root, head, chosen.element, problem, list);
  document.title = 'burgeon dashboard';
  void follow<DashboardEvent>(
    '/events',
    { authorization: `Bearer ${token}` },
    {
      onEvent: ({ directory, runs }) => {
        problem.textContent = '';
        fill(head, h('h1', {}, directory), h('p', { class: 'note' }, summary(runs)));
        chosen.element.hidden = runs.length < 2;
        draw(list, runs, chosen);
      },
      onBreak: (why) => {
        problem.textContent = why;
        return true;
      },
      onLocked: () => showLocked(root, place, true),
    },
  );
}

/** "12 runs: 2 running, 9 complete, 1 failed". */
function summary(runs: readonly RunOverview[]): string {
  if (runs.length === 0) return 'no runs yet: each appears here when `burgeon train` begins it';
  const states = (['running', 'complete', 'stopped', 'failed'] as const).flatMap((state) => {
    const number = runs.filter((run) => run.state === state).length;
    return number > 0 ? [`${number} ${state}`] : [];
  });
  return `${runs.length} run${runs.length === 1 ? '' : 's'}: ${states.join(', ')}`;
}

/** The list anew; what has the focus keeps it. */
function draw(list: HTMLElement, runs: readonly RunOverview[], chosen: ChosenRuns): void {
  const focused = list.contains(document.activeElement) ? document.activeElement!.id : '';
  chosen.restart(runs);
  const directories = new Map<string, RunOverview[]>();
  for (const run of runs) {
    const directory = run.name.includes('/') ? run.name.slice(0, run.name.lastIndexOf('/')) : '';
    directories.set(directory, [...(directories.get(directory) ?? []), run]);
  }
  const sections = [...directories].sort(([a], [b]) => (a < b ? -1 : 1));
  fill(list, ...sections.map(([directory, members]) => section(directory, members, chosen)));
  if (focused !== '') document.getElementById(focused)?.focus();
}

function section(directory: string, runs: readonly RunOverview[], chosen: ChosenRuns): HTMLElement {
  // Those that are going on first, then those that failed, then the newest.
  const ranks = { running: 0, failed: 1, complete: 2, stopped: 2 };
  const rank = ({ state }: RunOverview) => ranks[state];
  const sorted = runs.toSorted((a, b) => rank(a) - rank(b) || b.changed - a.changed);
  return h(
    'section',
    { class: 'runs' },
    directory !== '' && h('h2', {}, directory),
    table(
      ['run', 'state', 'step', 'loss', 'held-out loss', 'best', 'left', 'FLOPs saved'],
      sorted.map((run) => row(run, chosen)),
      {
        answer: 1,
      },
    ),
  );
}

function row(run: RunOverview, chosen: ChosenRuns): Child[] {
  const { name, state, reason, step, steps } = run;
  const loss = (value: number | null) => value?.toFixed(4) ?? '–';
  const share = steps === null ? 0 : step / steps;
  const link = tabLink(pathOf(name), { id: `open ${name}` }, name.slice(name.lastIndexOf('/') + 1));
  const why = reason !== null && h('span', { class: `reason ${state}`, title: reason }, reason);
  return [
    h('span', {}, chosen.box(name), link, why),
    stateMark(state),
    h(
      'span',
      { class: 'step' },
      state === 'running' && h('progress', { max: 1, value: share, 'aria-label': `${percent(share, 0)} of the steps` }),
      steps === null ? '–' : `${count(step)} of ${count(steps)}`,
    ),
    loss(run.loss),
    loss(run.heldOut),
    loss(run.bestHeldOut),
    run.etaMs === null ? '–' : duration(run.etaMs),
    savedCell(run),
  ];
}

/** Of a run that is not over, what its plan will save stands beside. */
function savedCell({ state, saved, plannedSaving }: RunOverview): HTMLElement {
  const isOver = state === 'complete' || plannedSaving === null;
  const planned = !isOver && `${percent(plannedSaving)} planned`;
  const soFar = saved !== null && (isOver ? percent(saved) : `${percent(saved)} so far,`);
  const parts = [soFar, planned].filter((part) => part !== false);
  if (parts.length === 0) return h('span', {}, '–');
  // A line may end between them.
  return h('span', {}, ...parts.flatMap((part) => [h('span', { class: 'whole' }, part), ' ']));
}
