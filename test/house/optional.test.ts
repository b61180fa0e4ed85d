// Who writes TypeScript with exactOptionalPropertyTypes passes on what may be undefined: `{ signal: options.signal }`. So every
// optional property of what public functions take allows undefined, and means by it what leaving it out means.

import path from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';

const index = path.resolve('lib/index.ts');
const { config } = ts.readConfigFile('tsconfig.json', ts.sys.readFile);
const { options } = ts.parseJsonConfigFileContent(config, ts.sys, process.cwd());
const program = ts.createProgram([index], options);
const checker = program.getTypeChecker();
const isOurs = (declaration: ts.Declaration) => declaration.getSourceFile().fileName.startsWith(path.resolve('lib'));

/** What a model is and a tokenizer can do: they come from burgeon, not from an options literal. */
const results = [
  'LlamaConfig',
  'Qwen2Config',
  'TrainConfig',
  'Schedule',
  'Tokenizer',
  'ModelContents',
  'SchedulePlan',
  'Part',
];

test('optional properties of what callers pass allow undefined', () => {
  const found = new Map<ts.Type, string>();
  const module = checker.getSymbolAtLocation(program.getSourceFile(index)!)!;
  for (const symbol of checker.getExportsOfModule(module)) collectParameters(resolved(symbol), found);
  const names = new Set([...found.values()].map((name) => name.split('.')[0]));
  expect([...names]).toEqual(
    expect.arrayContaining(['generate', 'Trainer', 'prepare', 'countFlops', 'loadTrainConfig']),
  );
  const missing = [...found].flatMap(([type, name]) =>
    type
      .getProperties()
      .filter((property) => property.flags & ts.SymbolFlags.Optional && !allowsUndefined(property))
      .map((property) => `${name}: ${checker.typeToString(type)}.${property.name}`),
  );
  expect(missing).toEqual([]);
});

function resolved(symbol: ts.Symbol): ts.Symbol {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
}

/** Types of the parameters of a function, of a class's constructor and methods, or of all that a namespace exports. */
function collectParameters(symbol: ts.Symbol, found: Map<ts.Type, string>): void {
  if (symbol.flags & ts.SymbolFlags.Module) {
    for (const inner of checker.getExportsOfModule(symbol)) collectParameters(resolved(inner), found);
    return;
  }
  const declaration = symbol.valueDeclaration;
  if (declaration === undefined) return;
  const type = checker.getTypeOfSymbol(symbol);
  const signatures = [...type.getCallSignatures(), ...type.getConstructSignatures()];
  for (const parameter of signatures.flatMap((signature) => signature.getParameters())) {
    collect(checker.getTypeOfSymbol(parameter), symbol.name, found);
  }
  if (!(symbol.flags & ts.SymbolFlags.Class)) return;
  const isMethod = ({ flags, name }: ts.Symbol) => flags & ts.SymbolFlags.Method && !name.includes('#');
  const members = [...type.getProperties(), ...checker.getDeclaredTypeOfSymbol(symbol).getProperties()];
  for (const method of members.filter(isMethod)) collectParameters(method, found);
}

/** The sections that a type is made of, and those within them. */
function collect(type: ts.Type, name: string, found: Map<ts.Type, string>): void {
  if (type.isUnionOrIntersection()) {
    for (const part of type.types) collect(part, name, found);
    return;
  }
  const element = checker.getIndexTypeOfType(type, ts.IndexKind.Number);
  if (element !== undefined && checker.isArrayLikeType(type)) collect(element, name, found);
  const declared = type.aliasSymbol ?? type.symbol;
  if (found.has(type) || results.includes(declared?.name) || !declared?.declarations?.some(isOurs)) return;
  if (declared.flags & (ts.SymbolFlags.Function | ts.SymbolFlags.Class)) return;
  found.set(type, name);
  for (const property of type.getProperties()) {
    collect(checker.getTypeOfSymbol(property), `${name}.${property.name}`, found);
  }
}

/** Whether `| undefined` stands in the declaration: the type alone has it always. */
function allowsUndefined(property: ts.Symbol): boolean {
  return (property.declarations ?? []).every((declaration) => {
    const node = ts.isPropertySignature(declaration) ? declaration.type : undefined;
    const parts = node && ts.isUnionTypeNode(node) ? [...node.types] : [node];
    return parts.some(
      (part) => part?.kind === ts.SyntaxKind.UndefinedKeyword || part?.kind === ts.SyntaxKind.UnknownKeyword,
    );
  });
}
