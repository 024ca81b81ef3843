/** Plain text output: aligned tables, and one progress line that is overwritten on a terminal. */

/** Rows of cells as aligned columns: the first to the left, the others to the right. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows]
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)))
  const line = (row: readonly string[]) =>
    widths
      .map((width, i) => (i === 0 ? (row[i] ?? '').padEnd(width) : (row[i] ?? '').padStart(width)))
      .join('  ')
      .trimEnd()
  return [line(header), widths.map((width) => '─'.repeat(width)).join('  '), ...rows.map(line)].join('\n')
}

/** A rounded number with thousands separated, `–` when there is none. */
export const count = (value: number | null | undefined, digits = 0): string =>
  value === null || value === undefined || !Number.isFinite(value)
    ? '–'
    : value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })

const PROGRESS_MS = 1_000

/** Progress goes to stderr: overwritten in place on a terminal, elsewhere a line per second at most. */
export function progressLine(stream: NodeJS.WriteStream) {
  let shownAt = Number.NEGATIVE_INFINITY
  return {
    show(text: string) {
      if (performance.now() - shownAt < (stream.isTTY ? PROGRESS_MS / 10 : PROGRESS_MS)) return
      shownAt = performance.now()
      stream.write(stream.isTTY ? `\r\x1b[K${text}` : `${text}\n`)
    },
    clear() {
      shownAt = Number.NEGATIVE_INFINITY
      if (stream.isTTY) stream.write('\r\x1b[K')
    },
  }
}
