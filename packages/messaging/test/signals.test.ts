/** Signals: plain NATS between processes, here between two connections to a real nats-server. */

import { createPlatform } from '@checkout/kernel/platform.ts'
import { TEST_SYSTEM } from '@checkout/testkit/deployment.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import { startNats } from '@checkout/testkit/nats.ts'
import t from 'tap'
import { createJetStreamBroker } from '../src/jetstream.ts'

const machine = createPlatform()

t.test('signals arrive now, after a reconnect, and only where they are listened for', async (t) => {
  const nats = await startNats()
  t.teardown(nats.stop)
  const make = () =>
    createJetStreamBroker({
      url: nats.url,
      name: 'test',
      streamMaxBytes: 1_000_000,
      platform: machine,
      deployment: TEST_SYSTEM,
    })
  const [sender, receiver] = [make(), make()]
  t.teardown(() => Promise.all([sender.close(), receiver.close()]))
  const heard: string[] = []
  const hear = (subject: string) => receiver.onSignal(subject, () => heard.push(subject))

  // Before there is a connection: nothing throws, nothing waits.
  hear('push.early')
  sender.signal('push.early')
  await receiver.listening()

  await Promise.all([sender.connect(), receiver.connect()])
  const off = hear('push.ada')
  t.throws(() => hear('push.ada'), /push\.ada/, 'one listener per subject')
  await receiver.listening()
  for (const subject of ['push.early', 'push.ada', 'push.bob']) sender.signal(subject)
  await eventually(() => heard.length === 2, { what: 'two signals' })
  t.strictSame(heard, ['push.early', 'push.ada'])

  off()
  hear('push.ada')()
  await receiver.listening()
  sender.signal('push.ada')

  await nats.kill()
  await eventually(() => !sender.connected && !receiver.connected, { what: 'both have noticed' })
  sender.signal('push.early') // lost, as it says
  await receiver.listening()
  await nats.start()
  await eventually(() => sender.connected && receiver.connected, { what: 'both are back' })
  await receiver.listening()
  sender.signal('push.early')
  await eventually(() => heard.length === 3, { what: 'the signal after the reconnect' })
  t.strictSame(heard, ['push.early', 'push.ada', 'push.early'], 'nothing that nobody listened for')
})

t.test('listening() does not wait for a server that stands still', async (t) => {
  const nats = await startNats()
  t.teardown(nats.stop)
  const broker = createJetStreamBroker({
    url: nats.url,
    name: 'test',
    streamMaxBytes: 1_000_000,
    platform: machine,
    deployment: TEST_SYSTEM,
  })
  t.teardown(broker.close)
  await broker.connect()
  nats.pause()
  broker.onSignal('push.ada', () => {})
  await broker.listening()
  t.pass('it resolved')
  nats.resume()
})
