/**
 * `node scripts/check-books.ts [folder]`: whether the three files agree with each other, for operators: after a restore, or
 * from time to time. Reads only; works on a running system, on a stopped one and on a backup. Prints every disagreement and
 * exits 1 when there is one.
 *
 * Orders still under way disagree for a moment, and three files have no common one: what disagrees is looked at again after
 * a pause, and only what still disagrees is reported.
 */
import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { auditFiles } from '@checkout/audit/files.ts'
import { type Mistake, sentence } from '@checkout/audit/laws.ts'

const PAUSE_MS = 5_000
/** Of each kind of disagreement so many are printed. */
const SHOWN = 20

/** What disagrees now and still does after the pause, whatever the numbers are by then. */
export async function lastingDisagreements(folder: string): Promise<Mistake[]> {
  const name = ({ law, of }: Mistake) => `${law}: ${of}`
  const first = new Set([...auditFiles(folder)].map(name))
  if (first.size === 0) return []
  await delay(PAUSE_MS)
  return [...auditFiles(folder)].filter((mistake) => first.has(name(mistake)))
}

if (import.meta.main) {
  const folder = resolve(process.argv[2] ?? (process.env.DATA_DIR || '.data'))
  const wrong = await lastingDisagreements(folder)
  for (const [law, these] of Map.groupBy(wrong, (mistake) => mistake.law)) {
    for (const mistake of these.slice(0, SHOWN)) console.log(sentence(mistake))
    if (these.length > SHOWN) console.log(`… and ${these.length - SHOWN} more: ${law}`)
  }
  console.log(wrong.length === 0 ? `${folder}: the books agree` : `${folder}: ${wrong.length} disagreements`)
  process.exitCode = wrong.length === 0 ? 0 : 1
}
