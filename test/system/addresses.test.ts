/** Which ports others than this machine reach: the gateway's where HOST says so, and no other. */
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import t from 'tap'
import { withSystem } from '../support/system.ts'

const outside = Object.values(networkInterfaces())
  .flat()
  .find((one) => one && !one.internal && one.family === 'IPv4')?.address

const accepts = (host: string, port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, host)
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })

const skip = outside ? false : 'this machine has loopback addresses only'

t.test('HOST opens the gateway alone', { skip }, async (t) => {
  await withSystem(t, { env: { HOST: '0.0.0.0', SERVICES_HOST: '' } }, async ({ ports }) => {
    for (const [name, port] of Object.entries(ports)) {
      if (name === 'release' || name === 'postgres') continue // SQLite is the store here
      t.equal(await accepts(outside ?? '', port), name === 'gateway', `${name} from outside`)
      t.ok(await accepts('127.0.0.1', port), `${name} on this machine`)
    }
  })
})
