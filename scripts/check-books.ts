/**
 * `node scripts/check-books.ts [folder]`: whether the three files agree with each other, for operators: after a restore, or
 * from time to time. Reads only; works on a running system, on a stopped one and on a backup. Prints every disagreement and
 * exits 1 when there is one.
 *
 * Orders still under way disagree for a moment, and three files have no common one: what disagrees is looked at again after
 * a pause, and only what still disagrees is reported.
 */
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import Database from 'better-sqlite3'

const PAUSE_MS = 5_000
/** Of each kind of disagreement so many are printed. */
const SHOWN = 20

/** What is wrong → the ids of what it is wrong with. */
const questions: Readonly<Record<string, string>> = {
  'account whose balance is not the sum of its entries': `
    SELECT user_id FROM accounts a WHERE balance <> (
      SELECT coalesce(sum(CASE kind WHEN 'deposit' THEN amount ELSE -amount END), 0)
        FROM transactions t WHERE t.user_id = a.user_id)`,
  'account whose balance is not what its last entry says': `
    SELECT a.user_id FROM accounts a JOIN transactions t ON t.user_id = a.user_id AND t.number = a.entries
      WHERE t.balance_after <> a.balance`,
  'order decided as paid without its debit, or debited without such a decision': `
    SELECT d.order_id FROM decisions d LEFT JOIN transactions t ON t.order_id = d.order_id
      WHERE (d.outcome = 'paid') <> (t.order_id IS NOT NULL)
    UNION ALL SELECT order_id FROM transactions t
      WHERE order_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM decisions d WHERE d.order_id = t.order_id)`,
  'order debited that does not exist: money to give back': `
    SELECT order_id FROM transactions t
      WHERE order_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM o.orders WHERE id = t.order_id)`,
  'order paid that was never debited': `
    SELECT id FROM o.orders WHERE status = 'paid'
      AND NOT EXISTS (SELECT 1 FROM transactions t WHERE t.order_id = orders.id)`,
  'order failed that was debited': `
    SELECT id FROM o.orders WHERE status = 'failed'
      AND EXISTS (SELECT 1 FROM transactions t WHERE t.order_id = orders.id)`,
  'order decided otherwise than it was placed: another user or amount': `
    SELECT orders.id FROM o.orders JOIN decisions d ON d.order_id = orders.id WHERE d.user_id <> orders.user_id OR d.amount <> orders.amount
    UNION SELECT orders.id FROM o.orders JOIN transactions t ON t.order_id = orders.id
      WHERE t.user_id <> orders.user_id OR t.amount <> orders.amount`,
  'order at its end without its letter': `
    SELECT id FROM o.orders WHERE status <> 'pending'
      AND NOT EXISTS (SELECT 1 FROM n.letters l WHERE l.order_id = orders.id AND l.kind = 'order_' || status)`,
  'letter that says otherwise than its order': `
    SELECT order_id FROM n.letters l WHERE order_id IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM o.orders WHERE id = l.order_id AND user_id = l.user_id AND l.kind = 'order_' || status)`,
  'user without an account': `
    SELECT id FROM o.users WHERE NOT EXISTS (SELECT 1 FROM accounts a WHERE a.user_id = users.id)`,
  'user without a contact': `
    SELECT id FROM o.users WHERE NOT EXISTS (SELECT 1 FROM n.contacts c WHERE c.user_id = users.id)`,
}

/** Sentences, sorted; none when the files agree just now. */
export function disagreements(folder: string): string[] {
  const db = new Database(join(folder, 'payments.sqlite'), { readonly: true, fileMustExist: true })
  try {
    db.prepare('ATTACH ? AS o').run(join(folder, 'orders.sqlite'))
    db.prepare('ATTACH ? AS n').run(join(folder, 'notifications.sqlite'))
    return Object.entries(questions).flatMap(([what, sql]) =>
      (db.prepare(sql).pluck().all() as string[]).map((id) => `${what}: ${id}`).toSorted(),
    )
  } finally {
    db.close()
  }
}

/** What disagrees now and still does after the pause. */
export async function lastingDisagreements(folder: string): Promise<string[]> {
  const first = new Set(disagreements(folder))
  if (first.size === 0) return []
  await delay(PAUSE_MS)
  return disagreements(folder).filter((sentence) => first.has(sentence))
}

if (import.meta.main) {
  const folder = resolve(process.argv[2] ?? (process.env.DATA_DIR || '.data'))
  const wrong = await lastingDisagreements(folder)
  for (const what of Object.keys(questions)) {
    const these = wrong.filter((sentence) => sentence.startsWith(`${what}: `))
    for (const sentence of these.slice(0, SHOWN)) console.log(sentence)
    if (these.length > SHOWN) console.log(`… and ${these.length - SHOWN} more: ${what}`)
  }
  console.log(wrong.length === 0 ? `${folder}: the books agree` : `${folder}: ${wrong.length} disagreements`)
  process.exitCode = wrong.length === 0 ? 0 : 1
}
