// Entry of the page: a report has its runs in it, the live page and the dashboard get them from the process that serves them.

import type { PageData } from '../page-data.ts';
import { showDashboard } from './dashboard.ts';
import { showLive } from './live.ts';
import { Page } from './page.ts';

const data: PageData = JSON.parse(document.getElementById('data')!.textContent!);
const root = document.getElementById('page')!;

if (data.kind === 'live') {
  const place = { command: 'burgeon train', tokenPlace: 'the run directory' };
  showLive(root, { ...place, events: '/events', isTraining: true });
} else if (data.kind === 'dashboard') showDashboard(root);
else new Page(root).draw(data);
