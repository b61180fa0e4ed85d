// Writes llm.c's binary evaluation format, for tests.

export interface Example {
  label: number;
  context: number[];
  endings: number[][];
}

/** Bytes of a file that holds these examples. */
export function llmcEvalFile(examples: readonly Example[]): Buffer {
  const streams = examples.map(({ label, context, endings }, index) => {
    const body = [index, label, endings.length, ...[context, ...endings].flatMap((part) => [part.length, ...part])];
    return [65535, 2 * (body.length + 2), ...body];
  });
  const header = new Int32Array(256);
  header.set([20240522, 1, examples.length, 2 * Math.max(0, ...streams.map((stream) => stream.length))]);
  return Buffer.concat([Buffer.from(header.buffer), Buffer.from(Uint16Array.from(streams.flat()).buffer)]);
}
