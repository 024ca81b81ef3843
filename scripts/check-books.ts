/**
 * `node scripts/check-books.ts [folder]`: whether the three files, or with DATABASE_URL the database's three schemas, agree with
 * each other, for operators: after a restore, or from time to time. Reads only; works on a running system, on a stopped one and on a backup. Prints every disagreement and
 * exits 1 when there is one.
 *
 * Orders still under way disagree for a moment, and three files have no common one: what disagrees is looked at again after
 * a pause, and only what still disagrees is reported.
 */
import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Mistake, sentence } from '@checkout/audit/laws.ts'
import { auditBooks } from '@checkout/audit/postgres.ts'
import { databaseName } from '@checkout/store/postgres.ts'

const PAUSE_MS = 5_000
/** Of each kind of disagreement so many are printed. */
const SHOWN = 20

/** What disagrees now and still does after the pause, whatever the numbers are by then. */
export async function lastingDisagreements(dataDir: string, databaseUrl?: string): Promise<Mistake[]> {
  const name = ({ law, of }: Mistake) => `${law}: ${of}`
  const books = { dataDir, databaseUrl }
  const first = new Set((await auditBooks(books)).map(name))
  if (first.size === 0) return []
  await delay(PAUSE_MS)
  return (await auditBooks(books)).filter((mistake) => first.has(name(mistake)))
}

if (import.meta.main) {
  const folder = resolve(process.argv[2] ?? (process.env.DATA_DIR || '.data'))
  const databaseUrl = process.argv[2] === undefined ? process.env.DATABASE_URL || undefined : undefined
  const place = databaseUrl === undefined ? folder : databaseName(databaseUrl)
  const wrong = await lastingDisagreements(folder, databaseUrl)
  for (const [law, these] of Map.groupBy(wrong, (mistake) => mistake.law)) {
    for (const mistake of these.slice(0, SHOWN)) console.log(sentence(mistake))
    if (these.length > SHOWN) console.log(`… and ${these.length - SHOWN} more: ${law}`)
  }
  console.log(wrong.length === 0 ? `${place}: the books agree` : `${place}: ${wrong.length} disagreements`)
  process.exitCode = wrong.length === 0 ? 0 : 1
}
