// Server-sent events of a response. EventSource would send no token, and tell nothing of an answer that is no stream.

/** Ends with the connection; throws when that breaks. */
export async function* eventsOf<Event>(body: ReadableStream<Uint8Array>): AsyncGenerator<Event> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  // A large event comes in many pieces, which are put together once.
  let pieces: string[] = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = decoder.decode(value, { stream: true }).split('\n');
    for (const [i, part] of parts.entries()) {
      pieces.push(part);
      if (i === parts.length - 1) continue;
      const line = pieces.join('');
      pieces = [];
      if (line.startsWith('data: ')) yield JSON.parse(line.slice('data: '.length));
    }
  }
}
