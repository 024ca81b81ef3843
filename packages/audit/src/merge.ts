/** Merging sorted rows by their keys: one row of each is in memory. Keys are ASCII, which SQLite and JavaScript sort alike. */

/** Sorted rows, to be taken by key in ascending order. */
export interface Groups<T> {
  /** Key of the next row; undefined after the last one. */
  readonly key: string | undefined
  /** The rows of this key, if they are next; to be walked through to the end before anything else is taken. */
  take(key: string): Iterable<T>
  takeAll(key: string): T[]
  /** For keys that have one row at most: null when there is none. */
  takeOne(key: string): T | null
  /** Ends the reading. */
  close(): void
}

/** @throws while rows are taken, when they are not sorted */
export function groupBy<T>(rows: IterableIterator<T>, keyOf: (row: T) => string): Groups<T> {
  let row: T
  let key: string | undefined
  const advance = () => {
    const next = rows.next()
    const before = key
    key = next.done ? undefined : keyOf(next.value)
    if (key !== undefined && before !== undefined && key < before) throw new Error(`not sorted: ${key} after ${before}`)
    row = next.value
  }
  function* take(wanted: string): Generator<T> {
    while (key === wanted) {
      const taken = row
      advance()
      yield taken
    }
  }
  advance()
  return {
    get key() {
      return key
    },
    take,
    takeAll: (wanted) => [...take(wanted)],
    takeOne: (wanted) => [...take(wanted)][0] ?? null,
    close: () => void rows.return?.(),
  }
}

/** Every key that any of them has, ascending; the rows of each must be taken before the next. */
export function* keysOf(...all: (Pick<Groups<unknown>, 'key'> | undefined)[]): Generator<string> {
  const groups = all.filter((group) => group !== undefined)
  let last: string | undefined
  for (;;) {
    let least: string | undefined
    for (const { key } of groups) {
      if (key !== undefined && (least === undefined || key < least)) least = key
    }
    if (least === undefined) return
    if (least === last) throw new Error(`rows of ${least} were not taken`)
    last = least
    yield least
  }
}
