/**
 * JSON in which nothing is lost between the text and the value: what a person, a proxy or a log reads in the text is
 * what the program works with and stores. JSON.parse takes the last of two equal keys, rounds a number to the nearest
 * double, and lets half of a surrogate pair (`"\\ud83d"`) through, which as UTF-8 could only be stored as another text.
 */

/** A name stands twice in one object, also when only one of them is written with escapes. */
export class DoubledKey extends SyntaxError {}

/** Character codes. */
const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const MINUS = 0x2d
const SPACE = 0x20
/** Integers of at most 15 digits are exact, and nearly every number is one. */
const SHORT_INTEGER = /^-?\d{1,15}$/
const NUMBER = /-?[\d.eE+-]+/y
const SURROGATE = /\\u[dD][89a-fA-F]/

/**
 * JSON.parse, but strict. A number that only looks like an integer (2^53 + 1, or 4262.00000000000000001, which a double
 * rounds to 4262) becomes NaN, which no schema takes: so the refusal names the field. `1.0` and `1e2` are integers.
 *
 * @throws SyntaxError when it is not JSON, or not well-formed Unicode; DoubledKey, which is one too
 */
export function parseStrictJson(text: string): unknown {
  const value: unknown = SURROGATE.test(text) ? JSON.parse(text, refuseHalves) : JSON.parse(text)
  const { keys, exact } = scan(text)
  // JSON.parse keeps one of doubled keys, and makes own fields of all, `__proto__` too: so counting is enough.
  if (countKeys(value) !== keys) throw new DoubledKey('a name stands twice in one object')
  return exact ? value : JSON.parse(text, nanUnlessExact)
}

/**
 * Of valid JSON: how many of its strings are keys, and whether every number is exact. By character codes, because every
 * body and every event comes through here: a regular expression for tokens takes four times as long.
 */
function scan(text: string): { keys: number; exact: boolean } {
  let keys = 0
  let exact = true
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i)
    if (code === QUOTE) {
      i = endOfString(text, i)
      let next = i + 1
      while (text.charCodeAt(next) <= SPACE) next += 1
      if (text.charCodeAt(next) === COLON) keys += 1
    } else if (code === MINUS || isDigit(code)) {
      NUMBER.lastIndex = i
      const literal = NUMBER.exec(text)?.[0] ?? ''
      i += literal.length - 1
      exact &&= SHORT_INTEGER.test(literal) || isExact(literal)
    }
  }
  return { keys, exact }
}

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39

/** The place of the quote that ends the string which begins at `start`. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    let first = end
    while (text.charCodeAt(first - 1) === BACKSLASH) first -= 1
    if ((end - first) % 2 === 0) return end
  }
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
