// The page of a benchmark or a profile: one file that needs nothing else.

import { replaceFile } from '../files/replace-file.ts';
import { pageWith } from '../report/write-report.ts';
import type { BenchPageData } from './page-data.ts';

/** The page as built; from lib/ and dist/ alike. */
const pageFile = new URL('../../dist/bench/page.html', import.meta.url);

/** @throws {BurgeonError} ERR_BURGEON_BACKEND where the page was not built; what the file system says of `file`. */
export async function writeBenchPage(file: string, data: BenchPageData): Promise<void> {
  await replaceFile(file, await pageWith(data, pageFile), 'the page');
}
