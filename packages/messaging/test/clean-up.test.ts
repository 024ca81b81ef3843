/** The clean-up: what was kept long enough goes, nothing goes early, and an idle service writes nothing. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { createPlatform } from '@checkout/kernel/platform.ts'
import { ageReads } from '@checkout/store/age.ts'
import { idempotencyMigrations, idempotencyReads, idempotencyWrites, keptAnswers } from '@checkout/store/idempotency.ts'
import { openStore } from '@checkout/store/store.ts'
import { createTestPlatform } from '@checkout/testkit/platform.ts'
import t, { type Test } from 'tap'
import { cleanUp } from '../src/clean-up.ts'
import { RETENTION_MS, RETIRE_BATCH } from '../src/retention.ts'
import { messagingMigrations, messagingReads, messagingWrites } from '../src/store.ts'
import { query } from './support/life.ts'

const machine = createPlatform()

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const ROUND_MS = 2_000
/** For the long times: as many rounds as writes. */
const SLOW_ROUND_MS = 55_000
const STEPS = [26, -26, 1, -1].map((hours) => hours * HOUR_MS)

async function openKept(t: Test, platform = createTestPlatform()) {
  const dir = mkdtempSync(`${tmpdir()}/clean-up-`)
  const file = `${dir}/kept.sqlite`
  const store = openStore({
    database: { file },
    migrations: [...messagingMigrations, ...idempotencyMigrations],
    platform,
    writes: (writer) => ({
      ...messagingWrites(writer, { source: '/test', platform }),
      idempotency: idempotencyWrites(writer, platform),
    }),
    reads: (reader) => ({
      ...messagingReads(reader, platform),
      ages: ageReads(reader),
      idempotency: idempotencyReads(reader),
    }),
  })
  t.teardown(async () => {
    await store.close()
    rmSync(dir, { recursive: true })
  })
  const { counter } = await store.read.lease.current()
  await store.write((tx) => tx.lease.take(counter))
  let acquired = () => {}
  const onAcquired = (listener: () => void) => {
    acquired = listener
  }
  const { write, read } = store
  /** One instance's; a new one is what a restart leaves. */
  const start = () => {
    const lease = { held: () => true, onAcquired, start() {}, async stop() {} }
    const made = cleanUp<Parameters<Parameters<typeof write>[0]>[0]>({
      kept: [
        { ages: read.inbox, forMs: RETENTION_MS, purge: (tx, ageMs, limit) => tx.inbox.purge(ageMs, limit) },
        keptAnswers(read.idempotency),
      ],
      stepMs: 30_000,
      limit: RETIRE_BATCH,
      ages: read.ages,
      write,
      lease,
      platform,
    })
    acquired()
    return made
  }
  let duty = start()
  const rows = (table: string) => query<{ n: number }>(file, `SELECT count(*) AS n FROM ${table}`)[0]?.n ?? -1
  return {
    platform,
    store,
    restart: () => {
      duty = start()
    },
    ids: () => rows('inbox'),
    keys: () => rows('idempotency_keys'),
    claim: (count: number) =>
      write((tx) => Promise.all(Array.from({ length: count }, () => tx.inbox.claim(machine.newId())))),
    answer: () =>
      write((tx) =>
        tx.idempotency.once({ userId: 'ada', route: 'POST /', key: machine.newId(), body: {} }, async () => ({
          status: 201,
          body: {},
        })),
      ),
    /** Lets the time pass with a round every 2 s, as the duty does, or more seldom, which is worth less than two steps. */
    async pass(ms: number, roundMs = ROUND_MS) {
      for (const end = platform.monotonic() + ms; platform.monotonic() < end; ) {
        platform.advance(roundMs)
        while (await duty.round(new AbortController().signal));
      }
    },
  }
}

t.test('steps of the wall clock purge nothing early, and stop nothing', async (t) => {
  for (const step of STEPS) {
    const kept = await openKept(t)
    await kept.claim(10)
    await kept.answer()
    kept.platform.step(step)
    await kept.claim(1_500) // under a wrong clock
    await kept.answer()
    await kept.pass(6_000)
    kept.platform.step(-step)
    await kept.claim(10)
    await kept.pass(9 * MINUTE_MS)
    t.strictSame([kept.ids(), kept.keys()], [1_520, 2], `${step / HOUR_MS} h: nothing goes early`)
    await kept.pass(5 * MINUTE_MS)
    t.strictSame([kept.ids(), kept.keys()], [0, 2], 'the ids go after ten minutes, whatever the clock said')
  }
})

t.test('answers are kept for more than 24 h, and not for ever', async (t) => {
  const kept = await openKept(t)
  await kept.answer()
  for (const step of STEPS) {
    kept.platform.step(step)
    await kept.pass(6 * HOUR_MS, SLOW_ROUND_MS)
    t.equal(kept.keys(), 1)
  }
  await kept.pass(2 * HOUR_MS, SLOW_ROUND_MS)
  t.equal(kept.keys(), 0)
})

t.test('an instance that is restarted often still cleans up; what was written meanwhile is kept', async (t) => {
  const kept = await openKept(t)
  await kept.claim(10)
  for (let life = 0; life < 40; life++) {
    await kept.pass(40_000)
    kept.platform.advance(HOUR_MS) // down
    kept.platform.step(STEPS[life % STEPS.length] as number)
    kept.restart()
    if (life === 8) t.equal(kept.ids(), 10, 'time in which nobody was there does not count')
  }
  t.equal(kept.ids(), 0)
  await kept.claim(10)
  await kept.pass(9 * MINUTE_MS)
  t.equal(kept.ids(), 10)
})

t.test('with nothing kept it writes nothing, with something two rows a minute at most', async (t) => {
  const kept = await openKept(t)
  const commitsOf = async (ms: number) => {
    const { commits } = kept.store.stats()
    await kept.pass(ms)
    return kept.store.stats().commits - commits
  }
  t.equal(await commitsOf(HOUR_MS), 0)
  await kept.answer()
  const hourly = await commitsOf(HOUR_MS)
  t.ok(hourly > 100 && hourly <= 120, `${hourly} in an hour`)
  await kept.pass(26 * HOUR_MS, SLOW_ROUND_MS)
  t.equal(kept.keys(), 0)
  t.equal(await commitsOf(HOUR_MS), 0)
})
