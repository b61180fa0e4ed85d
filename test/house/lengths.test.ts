// Files with one purpose, functions that fit a screen or two: no file of lib/ or native/ above 450 lines, no function above 80,
// but for those named here with their reason.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { expect, test } from 'vitest';

const longestFile = 450;
const longestFunction = 80;

/** Function, and why it may be longer. */
const longFunctions: Record<string, string> = {};
const longFiles: Record<string, string> = {};

const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', 'lib', 'native'], {
  encoding: 'utf8',
})
  .trim()
  .split('\n')
  .filter((file) => /\.(ts|h|cc|cu|cuh)$/.test(file))
  .map((file) => ({ file, text: readFileSync(file, 'utf8') }));

/** Functions, methods and arrow functions, by the name they are given. */
function* functionsOfTypeScript(file: string, text: string): Generator<[name: string, lines: number]> {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const found: [string, number][] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body) {
      const line = (position: number) => source.getLineAndCharacterOfPosition(position).line;
      const { parent } = node;
      const named =
        'name' in node && node.name ? node.name : ts.isVariableDeclaration(parent) ? parent.name : undefined;
      found.push([named?.getText() ?? 'a function', line(node.end) - line(node.getStart()) + 1]);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  yield* found;
}

/** What clang-format closes with a brace at the beginning of a line, or of a class's member: two spaces before it. */
function* functionsOfCpp(text: string): Generator<[name: string, lines: number]> {
  const lines = text.split('\n');
  for (const [end, closing] of lines.entries()) {
    const indent = /^( *)\}$/.exec(closing)?.[1];
    if (indent === undefined || indent.length > 2) continue;
    let begin = end - 1;
    while (begin > 0 && !(lines[begin]!.startsWith(indent) && /^\S/.test(lines[begin]!.slice(indent.length)))) begin--;
    // A head of several lines is indented after its first.
    const name = /([\w:~]+)\(/.exec(lines[begin]!)?.[1] ?? lines[begin]!.trim();
    const isControl = /^\s*(switch|if|for|while|do)\b/.test(lines[begin]!);
    if (!isControl && /[{,(]$/.test(lines[begin]!.trimEnd())) yield [name, end - begin + 1];
  }
}

test('no file is longer than it may be', () => {
  const long = files.filter(({ text }) => text.split('\n').length - 1 > longestFile).map(({ file }) => file);
  expect(long.sort()).toEqual(Object.keys(longFiles).sort());
});

test('no function is longer than it may be', () => {
  const long = files.flatMap(({ file, text }) =>
    [...(file.endsWith('.ts') ? functionsOfTypeScript(file, text) : functionsOfCpp(text))]
      .filter(([, lines]) => lines > longestFunction)
      .map(([name, lines]) => `${file}: ${name} (${lines})`),
  );
  expect(long.map((each) => each.replace(/ \(\d+\)$/, '')).sort(), long.join('\n')).toEqual(
    Object.keys(longFunctions).sort(),
  );
});
