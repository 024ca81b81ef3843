/**
 * JSON in which nothing is lost between the text and the value: what a person, a proxy or a log reads in the text is
 * what the program works with and stores. JSON.parse takes the last of two equal keys, rounds a number to the nearest
 * double, and lets half of a surrogate pair (`"\\ud83d"`) through, which as UTF-8 could only be stored as another text.
 */

/** A name stands twice in one object, also when only one of them is written with escapes. */
export class DoubledKey extends SyntaxError {}

/** In valid JSON: a string with the colon that makes it a key, or a number. Escapes take two characters at least. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?|-?\d[\d.eE+-]*/g
/** Integers of at most 15 digits are exact, and nearly every number is one. */
const SHORT_INTEGER = /^-?\d{1,15}$/
const SURROGATE = /\\u[dD][89a-fA-F]/

/**
 * JSON.parse, but strict. A number that only looks like an integer (2^53 + 1, or 4262.00000000000000001, which a double
 * rounds to 4262) becomes NaN, which no schema takes: so the refusal names the field. `1.0` and `1e2` are integers.
 *
 * @throws SyntaxError when it is not JSON, or not well-formed Unicode; DoubledKey, which is one too
 */
export function parseStrictJson(text: string): unknown {
  const value: unknown = SURROGATE.test(text) ? JSON.parse(text, refuseHalves) : JSON.parse(text)
  let keys = 0
  let exact = true
  for (const [token, colon] of text.matchAll(TOKENS)) {
    if (colon !== undefined) keys += 1
    else if (exact && !token.startsWith('"')) exact = SHORT_INTEGER.test(token) || isExact(token)
  }
  // JSON.parse keeps one of doubled keys, and makes own fields of all, `__proto__` too: so counting is enough.
  if (countKeys(value) !== keys) throw new DoubledKey('a name stands twice in one object')
  return exact ? value : JSON.parse(text, nanUnlessExact)
}

const nanUnlessExact = (_key: string, value: unknown, context?: { source: string }) =>
  typeof value === 'number' && context !== undefined && !isExact(context.source) ? Number.NaN : value

function refuseHalves(key: string, value: unknown): unknown {
  if (!key.isWellFormed() || (typeof value === 'string' && !value.isWellFormed())) {
    throw new SyntaxError('not well-formed Unicode')
  }
  return value
}

/** Without recursion: 16 KiB of brackets are deeper than the stack. */
function countKeys(root: unknown): number {
  const rest = [root]
  let count = 0
  for (let value = rest.pop(); value !== undefined; value = rest.pop()) {
    if (typeof value !== 'object' || value === null) continue
    const children = Object.values(value)
    if (!Array.isArray(value)) count += children.length
    for (const child of children) rest.push(child)
  }
  return count
}

/**
 * Whether the double is the number that the literal writes, as far as integers go: a fraction such as 0.1 may be rounded,
 * to another fraction. Decided by the digits, because the double has forgotten them.
 */
function isExact(literal: string): boolean {
  const value = Number(literal)
  if (!Number.isInteger(value)) return Number.isFinite(value)
  const [, whole = '', fraction = '', exponent = '0'] = /^-?(\d+)(?:\.(\d+))?(?:[eE](.+))?$/.exec(literal) ?? []
  const digits = whole + fraction
  let zeros = 0
  while (zeros < digits.length && digits.at(-1 - zeros) === '0') zeros += 1
  if (zeros === digits.length) return true
  return Number(exponent) - fraction.length + zeros >= 0 && Number.isSafeInteger(value)
}
