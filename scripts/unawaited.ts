/**
 * Finds promises that nobody awaits, for `npm run check`: a store answers promises only; an un-awaited fence fences nothing,
 * and an un-awaited read has always found something. Reported are
 * - a statement that is a promise (a rejection handler, or `void` before it, says that it is meant so);
 * - `!promise`, `promise === undefined`, `promise ?? other` and their like, whose outcome is always the same: tsc reports
 *   `if (promise)` (TS2801), but not `if (!store.read.orders.find(id)) return`, nor a condition that is `false` or a promise;
 * - `some(isYoung)` and its like with a test that answers a promise: always true;
 * - a promise as text, spread, or given to who takes anything: `JSON.stringify(promise)`, a test's `t.ok(promise)`.
 *
 * The types are tsc's, asked for over its API for tools.
 */
import { dirname, relative, resolve } from 'node:path'
import { type Expression, type Node, type SourceFile, SyntaxKind } from 'typescript/unstable/ast'
import {
  isBinaryExpression,
  isCallExpression,
  isConditionalExpression,
  isExpressionStatement,
  isIfStatement,
  isPrefixUnaryExpression,
  isPropertyAccessExpression,
  isSpreadAssignment,
  isTemplateSpan,
} from 'typescript/unstable/ast/is'
import { API, type Project, SignatureKind, type Type, TypeFlags } from 'typescript/unstable/sync'

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
  const { statements, operands, tests, given } = suspects(file)
  const found = <T extends Node>(nodes: readonly T[], isWrong: (type: Type) => boolean) => {
    const types = nodes.length === 0 ? [] : checker.getTypeAtLocation(nodes)
    return nodes.filter((_, i) => types[i] && isWrong(types[i]))
  }
  const answersPromise = (type: Type) =>
    checker.getSignaturesOfType(type, SignatureKind.Call).some((signature) => {
      const answer = checker.getReturnTypeOfSignature(signature)
      return answer !== undefined && isPromise(answer)
    })
  const toAnything = (node: Expression) =>
    ((checker.getContextualType(node)?.flags ?? 0) & TypeFlags.AnyOrUnknown) !== 0
  return [
    ...found(statements, mayBePromise),
    ...found(operands, isDecided),
    ...found(tests, answersPromise),
    ...found(given, isPromise).filter(toAnything),
  ].map((node) => {
    const { line } = file.getLineAndCharacterOfPosition(node.getStart(file))
    return `${line + 1}: not awaited: ${node.getText(file).split('\n')[0]}`
  })
}

function suspects(file: SourceFile) {
  const statements: Node[] = []
  const operands: Node[] = []
  const tests: Node[] = []
  const given: Expression[] = []
  const visit = (node: Node): void => {
    if (isExpressionStatement(node) && !isMeant(node.expression)) statements.push(node.expression)
    else if (isPrefixUnaryExpression(node) && node.operator === SyntaxKind.ExclamationToken) operands.push(node.operand)
    else if (isSpreadAssignment(node) || isTemplateSpan(node) || isIfStatement(node)) operands.push(node.expression)
    else if (isConditionalExpression(node)) operands.push(node.condition)
    else if (isBinaryExpression(node)) {
      const { kind } = node.operatorToken
      if (DECIDED_LEFT.has(kind)) operands.push(node.left)
      if (kind === SyntaxKind.PlusToken) operands.push(node.right)
    } else if (isCallExpression(node)) {
      const [test] = node.arguments
      const { expression } = node
      if (test && isPropertyAccessExpression(expression) && TESTED_BY.has(expression.name.getText())) tests.push(test)
      given.push(...node.arguments)
    }
    node.forEachChild(visit)
  }
  visit(file)
  return { statements, operands, tests, given }
}

/** Operators whose outcome a promise on the left decides; on the right of a comparison it may be looked for. */
const DECIDED_LEFT: ReadonlySet<SyntaxKind> = new Set([
  SyntaxKind.EqualsEqualsEqualsToken,
  SyntaxKind.ExclamationEqualsEqualsToken,
  SyntaxKind.QuestionQuestionToken,
  SyntaxKind.BarBarToken,
  SyntaxKind.PlusToken,
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
/** One that may be undefined can be asked for. `false` or a promise is what `known && promise` leaves. */
const isDecided = (type: Type): boolean =>
  isPromise(type) || (type.isUnionType() && type.getTypes().every((part) => isPromise(part) || isFalse(part)))
const isFalse = (type: Type): boolean =>
  (type.flags & TypeFlags.BooleanLiteral) !== 0 && type.isLiteralType() && type.value === false
const mayBePromise = (type: Type): boolean => isPromise(type) || (type.isUnionType() && type.getTypes().some(isPromise))

if (import.meta.main) {
  const found = unawaited(resolve('tsconfig.json'))
  for (const place of found) process.stderr.write(`${place}\n`)
  if (found.length > 0) process.exit(1)
}
