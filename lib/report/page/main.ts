// Entry of the page: a report has its runs in it, the live page gets them from the process that serves it.

import type { PageData } from '../page-data.ts';
import { showLive } from './live.ts';
import { Page } from './page.ts';

const data: PageData = JSON.parse(document.getElementById('data')!.textContent!);
const root = document.getElementById('page')!;

if (data.kind === 'live') showLive(root);
else new Page(root).draw(data);
