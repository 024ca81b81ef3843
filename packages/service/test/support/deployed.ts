/** A service's start as far as its deployment: prints the system's id, or ends as `requireDeployment` wants. */
import { join } from 'node:path'
import { systemClock } from '../../src/clock.ts'
import { deploymentMigrations, deploymentWrites, requireDeployment } from '../../src/deployment.ts'
import { openStore } from '../../src/store.ts'

const [, , DATA_DIR = '', file = '', CURRENCY = ''] = process.argv
const store = openStore({
  file: join(DATA_DIR, file),
  migrations: deploymentMigrations,
  clock: systemClock,
  writes: (writer) => ({ deployment: deploymentWrites(writer) }),
  reads: () => ({}),
})
const { SYSTEM_ID } = process.env
const { systemId } = await requireDeployment(store, { DATA_DIR, CURRENCY, ...(SYSTEM_ID && { SYSTEM_ID }) })
process.stdout.write(systemId)
await store.close()
