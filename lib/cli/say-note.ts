// A note: what people should know, beside the result that goes to standard output.

export function sayNote(note: string): void {
  console.error(`note: ${note}`);
}
