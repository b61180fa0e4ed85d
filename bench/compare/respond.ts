// The child's side of the protocol in contender.ts: one JSON object per line on stdin, one per line as the answer.

import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

// biome-ignore lint/suspicious/noExplicitAny: whatever the other end sends; each handler says what it expects.
type Handler = (message: any) => Promise<object>;

/** `prepare` answers all messages but two: `go` answers {go: true, ...}, and {end: true} ends the process. */
export async function respond(prepare: Handler, go: Handler): Promise<void> {
  for await (const line of createInterface(process.stdin)) {
    const message = JSON.parse(line);
    if (message.end) process.exit(0);
    let answer: object;
    try {
      answer = message.go ? await go(message) : { ready: true, ...(await prepare(message)) };
    } catch (error) {
      answer = { error: (error as Error).message };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}

/** Linux: the peak of resident memory is counted from here on. */
export function resetPeak(): void {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    // Not Linux: the peak is that of the process.
  }
}

export function peakRssMB(): number {
  try {
    return Number(/VmHWM:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024;
  } catch {
    return process.resourceUsage().maxRSS / 1024;
  }
}
