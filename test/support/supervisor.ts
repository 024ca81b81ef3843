/** A supervisor to be killed: starts a system in the folder of its first argument, prints the pids as JSON, stays. */

import { natsServerProgram } from '@checkout/testkit/nats.ts'
import { startSystem } from '../../scripts/system.ts'

const [, , dataDir] = process.argv
if (!dataDir) throw new Error('usage: supervisor.ts <data folder>')
const system = await startSystem({ dataDir, ports: 'free', natsServer: await natsServerProgram() })
console.log(JSON.stringify([...system.processes.map(({ pid }) => pid), system.nats?.pid]))
