/**
 * Finds promises that nobody awaits, for `npm run check`: a store answers promises only, and an un-awaited fence fences
 * nothing. Reported are
 * - a statement that is a promise (a rejection handler, or `void` before it, says that it is meant so);
 * - `!promise`, `promise === undefined`, `promise ?? other`, which are always false: tsc reports `if (promise)` (TS2801), but
 *   not `if (!tx.inbox.claim(id)) return`;
 * - `filter((row) => promise)` and its like: always true.
 *
 * The types are tsc's, asked for over its API for tools.
 */
import { dirname, relative, resolve } from 'node:path'
import { type Node, type SourceFile, SyntaxKind } from 'typescript/unstable/ast'
import {
  isArrowFunction,
  isBinaryExpression,
  isCallExpression,
  isExpressionStatement,
  isPrefixUnaryExpression,
  isPropertyAccessExpression,
} from 'typescript/unstable/ast/is'
import { API, type Project, type Type } from 'typescript/unstable/sync'

/** One line per place in the project's own files, such as `src/relay.ts:133: not awaited: tx.lease.assertHeld()`. */
export function unawaited(tsconfig: string): string[] {
  const folder = dirname(tsconfig)
  const api = new API({ cwd: folder })
  try {
    const project = api.updateSnapshot({ openProjects: [tsconfig] }).getProject(tsconfig)
    if (!project) throw new Error(`${tsconfig} is no project`)
    const files = project.program.getSourceFileNames().filter((name) => !name.includes('/node_modules/'))
    return files.flatMap((name) => inFile(project, name).map((place) => `${relative(folder, name)}:${place}`))
  } finally {
    api.close()
  }
}

function inFile({ program, checker }: Project, name: string): string[] {
  const file = program.getSourceFile(name)
  if (!file || program.isSourceFileDefaultLibrary(file)) return []
  const { statements, operands } = suspects(file)
  const found = (nodes: readonly Node[], isWrong: (type: Type) => boolean) => {
    const types = nodes.length === 0 ? [] : checker.getTypeAtLocation(nodes)
    return nodes.filter((_, i) => types[i] && isWrong(types[i]))
  }
  // Operands that may be undefined can be asked for.
  return [...found(statements, mayBePromise), ...found(operands, isPromise)].map((node) => {
    const { line } = file.getLineAndCharacterOfPosition(node.getStart(file))
    return `${line + 1}: not awaited: ${node.getText(file).split('\n')[0]}`
  })
}

function suspects(file: SourceFile): { statements: Node[]; operands: Node[] } {
  const statements: Node[] = []
  const operands: Node[] = []
  const visit = (node: Node): void => {
    if (isExpressionStatement(node) && !isMeant(node.expression)) statements.push(node.expression)
    else if (isPrefixUnaryExpression(node) && node.operator === SyntaxKind.ExclamationToken) operands.push(node.operand)
    else if (isBinaryExpression(node) && COMPARISONS.has(node.operatorToken.kind)) operands.push(node.left)
    else if (isCallExpression(node) && isPropertyAccessExpression(node.expression)) {
      const [test] = node.arguments
      if (test && isArrowFunction(test) && TESTED_BY.has(node.expression.name.getText())) operands.push(test.body)
    }
    node.forEachChild(visit)
  }
  visit(file)
  return { statements, operands }
}

const COMPARISONS: ReadonlySet<SyntaxKind> = new Set([
  SyntaxKind.EqualsEqualsEqualsToken,
  SyntaxKind.ExclamationEqualsEqualsToken,
  SyntaxKind.QuestionQuestionToken,
])
const TESTED_BY: ReadonlySet<string> = new Set([
  'filter',
  'some',
  'every',
  'find',
  'findLast',
  'findIndex',
  'findLastIndex',
])

/** Kept in a variable, or somebody hears of its rejection. */
function isMeant(node: Node): boolean {
  if (isBinaryExpression(node)) return node.operatorToken.getText().endsWith('=')
  if (!isCallExpression(node) || !isPropertyAccessExpression(node.expression)) return false
  const method = node.expression.name.getText()
  return method === 'catch' || (method === 'then' && node.arguments.length === 2)
}

const isPromise = (type: Type): boolean => type.getSymbol()?.name === 'Promise'
const mayBePromise = (type: Type): boolean => isPromise(type) || (type.isUnionType() && type.getTypes().some(isPromise))

if (import.meta.main) {
  const found = unawaited(resolve('tsconfig.json'))
  for (const place of found) process.stderr.write(`${place}\n`)
  if (found.length > 0) process.exit(1)
}
