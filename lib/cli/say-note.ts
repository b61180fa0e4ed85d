// A note: what people should know, beside the result that goes to standard output.

import { onStderr } from './colour.ts';

export function sayNote(note: string): void {
  console.error(onStderr.note(note));
}
