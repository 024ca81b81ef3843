/** Every transition of a push connection: where it leads from each state, or that it may not happen there. */
import t from 'tap'
import {
  type Activity,
  caughtUp,
  lacks,
  looked,
  type Progress,
  positioned,
  sent,
  subscribed,
  woken,
} from '../src/connection.ts'

const wrong = { code: 'ERR_ASSERTION' }

t.test('activity', async (t) => {
  const states: readonly Activity[] = ['subscribing', 'idle', 'looking', 'lookingAgain', 'ended']
  const leads = (name: string, transition: (activity: Activity) => Activity, to: readonly (Activity | undefined)[]) => {
    for (const [i, from] of states.entries()) {
      if (to[i]) t.equal(transition(from), to[i], `${name} from ${from}`)
      else t.throws(() => transition(from), wrong, `${name} not from ${from}`)
    }
  }
  const no = undefined
  leads('subscribed', subscribed, ['idle', no, no, no, 'ended'])
  leads('woken', woken, ['subscribing', 'looking', 'lookingAgain', 'lookingAgain', 'ended'])
  leads('looked, no more', (activity) => looked(activity, false), [no, no, 'idle', 'looking', 'ended'])
  leads('looked, maybe more', (activity) => looked(activity, true), [no, no, 'looking', 'looking', 'ended'])
})

const unread = (since?: number): Progress => ({ name: 'unread', since })
const catchingUp = { name: 'catchingUp', sentSeq: 3 } as const
const live = { name: 'live', sentSeq: 3 } as const

t.test('a connection begins behind the letter that it names', async (t) => {
  const begins = (since: number | undefined, highest: number) => positioned(unread(since), highest).sentSeq
  t.equal(begins(undefined, 9), 9, 'none: no backlog')
  t.equal(begins(0, 9), 0)
  t.equal(begins(9, 9), 9)
  t.equal(begins(10, 9), 0, 'one that is not there: all')
  t.throws(() => positioned(catchingUp, 9), wrong)
  t.throws(() => positioned(live, 9), wrong)
})

t.test('it is sent letters in order, each once, and is ready once', async (t) => {
  t.strictSame(sent(catchingUp, 4), { name: 'catchingUp', sentSeq: 4 })
  t.strictSame(sent(live, 4), { name: 'live', sentSeq: 4 })
  for (const progress of [catchingUp, live]) t.throws(() => sent(progress, 3), /letter 3 was sent after letter 3/)
  t.throws(() => sent(unread(), 1), wrong)
  t.strictSame(caughtUp(catchingUp), live)
  for (const progress of [unread(), live]) t.throws(() => caughtUp(progress), wrong)
})

t.test('the check looks again for whoever lacks a letter or is not ready', async (t) => {
  t.strictSame(
    [lacks(unread(), 0), lacks(catchingUp, 3), lacks(live, 3), lacks(live, 2), lacks(live, 4)],
    [true, true, false, false, true],
  )
})
