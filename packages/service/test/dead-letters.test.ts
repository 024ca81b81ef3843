/** Dead letters as an operator meets them: a real app, a real stream, a handler that is mended in between. */

import { buildHttp } from '@checkout/http/http.ts'
import { createPlatform } from '@checkout/kernel/platform.ts'
import type { Handlers } from '@checkout/messaging/handling.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import { recordingLogger } from '@checkout/testkit/logger.ts'
import t, { type Test } from 'tap'
import { openPublisherStore, query, startLife, withStage } from '../../messaging/test/support/life.ts'
import {
  EFFECTS,
  handlingOf,
  openTill,
  orderData,
  type TillTx,
  tillFile,
  tillHandlers,
} from '../../messaging/test/support/till.ts'
import { deadLetterSchemas, registerDeadLetters } from '../src/dead-letter-routes.ts'

const machine = createPlatform()

t.setTimeout(120_000)

interface DeadLetterBody {
  id: string
  consumer: string
  eventKey: string
  subject: string
  message: string
  headers: Record<string, string>
  error: string
  attempts: number
  createdAt: string
}

interface Desk {
  get(path: string): Promise<{
    status: number
    body: { items: DeadLetterBody[]; next: string | null } & DeadLetterBody & { code: string }
  }>
  post(path: string): Promise<{ status: number; body: { code: string; detail: string } }>
  /** Switches the till's handler between failing and working. */
  mend(): void
  bad: string
  effects(): Map<string, number>
}

/** One order whose handling always fails, and one message that is no event, both dead letters. */
async function withDesk(t: Test, body: (desk: Desk) => Promise<void>): Promise<void> {
  await withStage(t, async ({ dir, nats, atEnd }) => {
    const { url } = nats
    let broken = true
    const bad = machine.newId()
    const handlers: Handlers<TillTx> = {
      'orders.created.v1': async (tx, event, arrival) => {
        await tillHandlers['orders.created.v1']?.(tx, event, arrival)
        if (broken && event.data.orderId === bad) throw new Error('no such price')
      },
    }
    const publisher = await startLife({ service: 'orders-service', url, store: openPublisherStore(dir), handlers: {} })
    atEnd(publisher.stop)
    const store = openTill(dir)
    const till = await startLife({
      service: 'payments-service',
      url,
      store,
      handlers,
      retryMs: 1,
    })
    atEnd(till.stop)
    const app = await buildHttp({ platform: machine, logger: recordingLogger().logger, schemas: deadLetterSchemas })
    registerDeadLetters(app, { store, handling: handlingOf(store, handlers) })
    atEnd(() => app.close())

    await publisher.store.write(async (tx) => {
      await tx.outbox.append('orders.created.v1', orderData(bad), { correlationId: bad })
      await tx.outbox.append(
        'orders.created.v1',
        { ...orderData(machine.newId()), amount: 0 },
        { correlationId: 'poison' },
      )
    })
    await eventually(async () => (await store.read.deadLetters.count()) === 2, { what: 'two dead letters' })

    const call = async (method: 'GET' | 'POST', path: string) => {
      const answer = await app.inject({ method, url: path })
      return { status: answer.statusCode, body: answer.body === '' ? undefined : answer.json() }
    }
    await body({
      get: (path) => call('GET', path),
      post: (path) => call('POST', path),
      mend() {
        broken = false
      },
      bad,
      effects: () =>
        new Map(query<{ key: string; times: number }>(tillFile(dir), EFFECTS).map((row) => [row.key, row.times])),
    })
  })
}

t.test('listed newest first, by pages, and read one by one', async (t) => {
  await withDesk(t, async ({ get, bad }) => {
    const { status, body } = await get('/admin/dead-letters')
    t.equal(status, 200)
    t.equal(body.items.length, 2)
    t.equal(body.next, null)
    const failed = body.items.find((item) => item.attempts === 10)
    t.match(failed, {
      consumer: 'payments-service_orders-created-v1',
      subject: 'orders.created.v1',
      error: 'no such price',
      headers: { 'Content-Type': 'application/cloudevents+json' },
    })
    t.equal(JSON.parse(failed?.message ?? '').data.orderId, bad)
    const poison = body.items.find((item) => item.attempts === 1)
    t.match(poison?.error, /invalid orders\.created\.v1: \/data\/amount/)

    const first = await get('/admin/dead-letters?limit=1')
    t.strictSame(first.body.items, body.items.slice(0, 1))
    const second = await get(`/admin/dead-letters?limit=1&cursor=${first.body.next}`)
    t.strictSame([second.body.items, second.body.next], [body.items.slice(1), null])

    t.strictSame((await get(`/admin/dead-letters/${failed?.id}`)).body, failed)
    t.match(await get('/admin/dead-letters/nonesuch'), { status: 404, body: { code: 'dead_letter_not_found' } })
  })
})

t.test('replay: refused while it still fails, and works once the handler is mended', async (t) => {
  await withDesk(t, async ({ get, post, mend, bad, effects }) => {
    const { body } = await get('/admin/dead-letters')
    const failed = body.items.find((item) => item.attempts === 10)
    const poison = body.items.find((item) => item.attempts === 1)
    const replay = `/admin/dead-letters/${failed?.id}/replay`

    const refused = await post(replay)
    t.match(refused, { status: 409, body: { code: 'replay_failed', detail: /no such price/ } })
    t.strictSame((await get(`/admin/dead-letters/${failed?.id}`)).body, failed, 'it stays')
    t.notOk(effects().has(bad), 'and of the attempt nothing is left')

    mend()
    t.strictSame(await post(replay), { status: 204, body: undefined })
    t.equal(effects().get(bad), 1, 'its effect')
    t.equal((await get(`/admin/dead-letters/${failed?.id}`)).status, 404, 'it is gone')
    t.match(await post(replay), { status: 404, body: { code: 'dead_letter_not_found' } })
    t.equal(effects().get(bad), 1, 'not twice')

    t.match(await post(`/admin/dead-letters/${poison?.id}/replay`), { status: 409, body: { code: 'replay_failed' } })
    t.equal((await get('/admin/dead-letters')).body.items.length, 1, 'no mending helps a message that is no event')
  })
})

t.test('two replays at once: one effect', async (t) => {
  await withDesk(t, async ({ get, post, mend, bad, effects }) => {
    const failed = (await get('/admin/dead-letters')).body.items.find((item) => item.attempts === 10)
    mend()
    const answers = await Promise.all([1, 2, 3].map(() => post(`/admin/dead-letters/${failed?.id}/replay`)))
    t.strictSame(answers.map(({ status }) => status).sort(), [204, 404, 404])
    t.equal(effects().get(bad), 1)
  })
})

t.test('discard: it is gone, without an effect', async (t) => {
  await withDesk(t, async ({ get, post, bad, effects }) => {
    const failed = (await get('/admin/dead-letters')).body.items.find((item) => item.attempts === 10)
    const discard = `/admin/dead-letters/${failed?.id}/discard`
    t.equal((await post(discard)).status, 204)
    t.match(await post(discard), { status: 404, body: { code: 'dead_letter_not_found' } })
    t.equal((await get('/admin/dead-letters')).body.items.length, 1)
    t.notOk(effects().has(bad))
  })
})
