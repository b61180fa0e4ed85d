// A real browser for tests of pages: the system's Chromium, or the one that BURGEON_CHROMIUM names. Tests are skipped,
// visibly, where there is none.

import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';

const candidates = [
  process.env.BURGEON_CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

export const chromiumPath = candidates.find((path) => path !== undefined && path !== '' && existsSync(path));

if (chromiumPath === undefined) {
  console.warn('no Chromium found: tests of pages are skipped (apt install chromium, or set BURGEON_CHROMIUM)');
}

export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumPath!,
    // Root needs --no-sandbox; the others keep the browser from talking to anybody by itself.
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

export interface WatchedPage {
  page: Page;
  /** Addresses asked for so far, without the data in them. */
  requests: string[];
  /** Fails if the page complained. */
  expectNoErrors(): void;
}

/** A page that remembers what it asked for and what it complained about. */
export async function watchedPage(
  browser: Browser,
  options: { width?: number; dark?: boolean } = {},
): Promise<WatchedPage> {
  const page = await browser.newPage({
    viewport: { width: options.width ?? 1200, height: 900 },
    colorScheme: options.dark ? 'dark' : 'light',
  });
  const requests: string[] = [];
  const errors: string[] = [];
  page.on('request', (request) => requests.push(request.url().slice(0, 100)));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(String(error)));
  return { page, requests, expectNoErrors: () => expect(errors).toEqual([]) };
}

/** Waits as long as a busy machine may need. */
export const eventually = <Value>(read: () => Promise<Value>) => expect.poll(read, { timeout: 30_000 });

/** The numbers that a chart of the page draws: x, and y of each curve. */
export function chartData(page: Page, id: string): Promise<(number | null)[][]> {
  // As text: these tests have no types of the browser.
  return page.evaluate(`Array.from(document.getElementById('${id}').uplot.data, (column) => Array.from(column))`);
}
