/** Every transition of the relay's knowledge: where it leads from each state, or that it may not happen there. */
import t from 'tap'
import { beginComparing, beginPublishing, doubted, endOf, found, published, type Sync, starting } from '../src/sync.ts'

const end = { id: 7, seq: 5 }
const behind = { id: 9, seq: 7 }

const states = {
  starting: starting(),
  doubtful: { name: 'doubtful' },
  'comparing first': { name: 'comparing', from: 'starting' },
  'comparing again': { name: 'comparing', from: 'doubtful' },
  inSync: { name: 'inSync', position: end },
  publishing: { name: 'publishing', position: end },
} as const satisfies Record<string, Sync>

type Name = keyof typeof states

/** What a transition leads to, by the state that it begins in; from all others it throws. */
function leads(name: string, transition: (sync: Sync) => Sync, to: Partial<Record<Name, Sync>>) {
  t.test(name, async (t) => {
    for (const [from, state] of Object.entries(states)) {
      const wanted = to[from as Name]
      if (!wanted) t.throws(() => transition(state), { code: 'ERR_ASSERTION' }, `not from ${from}`)
      else {
        t.strictSame(transition(state), wanted, from)
        t.not(transition(state), state, 'a new object: what began before does not stand any more')
      }
    }
  })
}

const { doubtful, inSync, publishing } = states

leads('doubted', doubted, {
  starting: starting(),
  'comparing first': starting(),
  'comparing again': doubtful,
  doubtful,
  inSync: doubtful,
  publishing: doubtful,
})
leads('to be compared', beginComparing, {
  starting: states['comparing first'],
  doubtful: states['comparing again'],
})
leads('found', (sync) => found(sync, end), { 'comparing first': inSync, 'comparing again': inSync })
leads('found nothing', (sync) => found(sync, undefined), {
  'comparing first': starting(),
  'comparing again': doubtful,
})
leads('to be published', (sync) => beginPublishing(sync, 8), { inSync: publishing })
leads('published', (sync) => published(sync, behind), { publishing: { name: 'inSync', position: behind } })

t.test('a batch goes behind the end, and is the new end', async (t) => {
  t.throws(() => beginPublishing(inSync, 7), /row 7 would be published again behind row 7/)
  t.throws(() => published(publishing, { id: 7, seq: 7 }), /is not behind/)
  t.throws(() => published(publishing, { id: 9, seq: 5 }), /is not behind/)
})

t.test('where the stream ends is known in sync, and while a batch is on its way', async (t) => {
  t.strictSame(
    Object.entries(states).flatMap(([name, state]) => (endOf(state) ? [name] : [])),
    ['inSync', 'publishing'],
  )
  t.strictSame([endOf(inSync), endOf(publishing)], [end, end])
})
