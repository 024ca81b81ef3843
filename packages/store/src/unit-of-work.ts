/**
 * The unit of work: every write of a service, as one callback that either takes effect wholly or not at all, and
 * many of them per COMMIT.
 *
 * The writes that wait at one moment (at most 256) run inside one transaction, which excludes all other writers of the
 * service, strictly one after another, each in its own SAVEPOINT: one fsync serves them all, a refused one takes none of the
 * others with it, and an idle service adds no delay. A write that has time (`patienceMs`) waits for the COMMIT of another.
 * Results and rejections are delivered after COMMIT only, so whatever a caller is told is on the disk.
 *
 * A callback awaits only `tx`, has no other effects and may run again: when the engine drops the whole transaction (disk
 * full, I/O error, connection lost), its members are run again one by one.
 */
import { ok } from 'node:assert'
import type { Platform, Timer } from '@checkout/kernel/platform.ts'
import { isStorageError } from '@checkout/kernel/storage-error.ts'
import { OutcomeUnknown, type Transactions } from './engine.ts'
import type { Work, Write } from './port.ts'

/** Members of one COMMIT: bounds the time the event loop is held and what one failing disk makes run again. */
export const MAX_BATCH = 256
/** Writes that may wait; the next one is refused at once rather than answered late. */
export const MAX_WAITING = 2_000
/** How long a write may wait for its turn. */
export const MAX_WAIT_MS = 5_000
/** First and longest pause between two attempts to begin while somebody else writes. */
const BUSY_RETRY_MS = { first: 1, longest: 25 }

/** The store could not take the write: it is certain that it was not committed and never will be. Try again later. */
export class StoreUnavailable extends Error {
  readonly code = 'STORE_UNAVAILABLE'
}

/** A callback awaited something other than `tx`; its effects were rolled back. A mistake in the calling code. */
export class ForeignAwait extends Error {
  constructor() {
    super('a write callback awaited something other than tx, holding the transaction open; it was rolled back')
  }
}

export interface UnitOfWork<Tx> {
  readonly write: Write<Tx>
  /** Calls the listener after every COMMIT of this process. */
  onCommit(listener: () => void): void
  /** Refuses new writes and resolves when the waiting ones are done. */
  close(): Promise<void>
  /** Figures for the metrics: commits and writes so far, and how many wait now. */
  stats(): { commits: number; writes: number; waiting: number }
}

interface Member<Tx> {
  work: Work<Tx, unknown>
  deadline: number
  resolve(value: unknown): void
  reject(error: unknown): void
}

type Outcome = { ok: true; value: unknown } | { ok: false; error: unknown }
/** The whole transaction is gone, with why. */
type Lost = { lost: unknown }

export function createUnitOfWork<Tx>(options: {
  transactions: Transactions
  tx: Tx
  platform: Platform
}): UnitOfWork<Tx> {
  const { transactions, tx, platform } = options

  const listeners: (() => void)[] = []
  let waiting: Member<Tx>[] = []
  /** Those that have time, and until when all of them have it. */
  let patient: Member<Tx>[] = []
  let patience: { readonly endsAt: number; readonly timer: Timer } | undefined
  let pumping = false
  let closing = false
  let idle: (() => void) | undefined
  let committed = 0
  let writes = 0

  function write<T>(work: Work<Tx, T>, { patienceMs = 0 } = {}): Promise<T> {
    if (closing) return Promise.reject(new StoreUnavailable('the store is closing'))
    if (waiting.length + patient.length >= MAX_WAITING)
      return Promise.reject(new StoreUnavailable('too many writes are waiting'))
    return new Promise<T>((resolve, reject) => {
      const member = {
        work,
        deadline: platform.monotonic() + MAX_WAIT_MS,
        resolve: resolve as (v: unknown) => void,
        reject,
      }
      if (patienceMs > 0) {
        patient.push(member)
        keepTo(platform.monotonic() + patienceMs)
      } else {
        waiting.push(member)
        start()
      }
    })
  }

  function start(): void {
    if (pumping) return
    pumping = true
    // After the current turn of the event loop, so that all requests it has read share the COMMIT.
    platform.setImmediate(pump)
  }

  function keepTo(endsAt: number): void {
    if (patience && patience.endsAt <= endsAt) return
    platform.clearTimeout(patience?.timer)
    patience = { endsAt, timer: platform.setTimeout(hurry, endsAt - platform.monotonic()) }
  }

  /** Those that had time go with the next COMMIT, before those that came later. */
  function hurry(): void {
    if (patient.length === 0) return
    const deadline = platform.monotonic() + MAX_WAIT_MS
    for (const member of patient) member.deadline = deadline
    waiting = [...patient, ...waiting]
    patient = []
    platform.clearTimeout(patience?.timer)
    patience = undefined
    start()
  }

  async function pump(): Promise<void> {
    while (waiting.length > 0) {
      hurry()
      if (await begin(refuseLate)) {
        const batch = waiting.slice(0, MAX_BATCH)
        waiting = waiting.slice(MAX_BATCH)
        await runBatch(batch)
      }
      // Lets the event loop read the next requests: they form the next batch.
      if (waiting.length > 0) await new Promise<void>(platform.setImmediate)
    }
    pumping = false
    idle?.()
  }

  /** Refuses the writes that have waited too long; returns whether somebody still wants the transaction. */
  function refuseLate(): boolean {
    const now = platform.monotonic()
    const late = waiting.filter((member) => member.deadline <= now)
    if (late.length > 0) {
      waiting = waiting.filter((member) => member.deadline > now)
      for (const member of late) member.reject(new StoreUnavailable('the store is busy'))
    }
    return waiting.length > 0
  }

  /** Begins a transaction, retried on a timer for as long as `wanted()`; false when nobody wants it any more. */
  async function begin(wanted: () => boolean): Promise<boolean> {
    for (let pause = BUSY_RETRY_MS.first; wanted(); pause = Math.min(pause * 2, BUSY_RETRY_MS.longest)) {
      try {
        await transactions.begin()
        return true
      } catch (error) {
        if (!isStorageError(error)) throw error
        // Jitter, so that two instances do not keep missing each other's gaps in step.
        await platform.sleep(pause * (0.5 + platform.random()))
      }
    }
    return false
  }

  async function runBatch(batch: Member<Tx>[]): Promise<void> {
    const outcomes: Outcome[] = []
    for (const member of batch) {
      const outcome = await runMember(member)
      if ('lost' in outcome) break
      outcomes.push(outcome)
    }
    if (outcomes.length === batch.length) {
      const end = await commit()
      if (end === 'committed') {
        batch.forEach((member, i) => {
          deliver(member, outcomes[i] as Outcome)
        })
        return
      }
      if (end instanceof OutcomeUnknown) {
        for (const member of batch) member.reject(end)
        return
      }
    }
    await rollback()
    for (const member of batch) await runSingly(member)
  }

  /** Runs one member in its savepoint. */
  async function runMember(member: Member<Tx>): Promise<Outcome | Lost> {
    try {
      await transactions.savepoint()
      const outcome = await call(member.work)
      if (!transactions.open()) return { lost: outcome.ok ? undefined : outcome.error }
      if (!outcome.ok) {
        if (isStorageError(outcome.error)) return { lost: outcome.error }
        await transactions.undo()
      }
      await transactions.release()
      return outcome
    } catch (error) {
      if (isStorageError(error) || !transactions.open()) return { lost: error }
      throw error
    }
  }

  async function call(work: Work<Tx, unknown>): Promise<Outcome> {
    // The transaction stays open until the callback ends, however long: running the next member meanwhile would mix their
    // savepoints.
    const end = await transactions.watch(() => work(tx))
    if (end.overran) return { ok: false, error: new ForeignAwait() }
    return 'error' in end ? { ok: false, error: end.error } : { ok: true, value: end.value }
  }

  async function runSingly(member: Member<Tx>): Promise<void> {
    let cause: unknown
    if (await begin(() => platform.monotonic() < member.deadline)) {
      const outcome = await runMember(member)
      if ('lost' in outcome) cause = outcome.lost
      else {
        const end = await commit()
        if (end === 'committed') return deliver(member, outcome)
        if (end instanceof OutcomeUnknown) return member.reject(end)
        cause = end
      }
      await rollback()
    }
    member.reject(new StoreUnavailable('the store could not take the write', { cause }))
  }

  /** Answers the error when nothing is stored, or when that is not known. */
  async function commit(): Promise<'committed' | unknown> {
    try {
      ok(transactions.open(), 'COMMIT without a transaction')
      await transactions.commit()
      ok(!transactions.open(), 'COMMIT did not end the transaction')
    } catch (error) {
      if (isStorageError(error) || error instanceof OutcomeUnknown || !transactions.open()) return error
      throw error
    }
    committed += 1
    for (const listener of listeners) listener()
    return 'committed'
  }

  async function rollback(): Promise<void> {
    // The engine has already rolled back by itself after most of these errors.
    if (transactions.open()) await transactions.rollback()
  }

  function deliver(member: Member<Tx>, outcome: Outcome): void {
    writes += 1
    if (outcome.ok) member.resolve(outcome.value)
    else member.reject(outcome.error)
  }

  return {
    write,
    onCommit(listener) {
      listeners.push(listener)
    },
    close() {
      closing = true
      hurry()
      return pumping
        ? new Promise<void>((resolve) => {
            idle = resolve
          })
        : Promise.resolve()
    },
    stats: () => ({ commits: committed, writes, waiting: waiting.length + patient.length }),
  }
}
