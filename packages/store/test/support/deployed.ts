/** A service's start as far as its deployment: prints the system's id, or ends as `requireDeployment` wants. */
import { join } from 'node:path'
import { createPlatform } from '@checkout/kernel/platform.ts'
import { deploymentMigrations, deploymentWrites, requireDeployment } from '../../src/deployment.ts'
import { openStore } from '../../src/store.ts'

const machine = createPlatform()

const [, , DATA_DIR = '', file = '', CURRENCY = ''] = process.argv
const store = openStore({
  database: { file: join(DATA_DIR, file) },
  migrations: deploymentMigrations,
  platform: machine,
  writes: (writer) => ({ deployment: deploymentWrites(writer) }),
  reads: () => ({}),
})
const { SYSTEM_ID } = process.env
const { systemId } = await requireDeployment(store, { DATA_DIR, CURRENCY, ...(SYSTEM_ID && { SYSTEM_ID }) }, machine)
process.stdout.write(systemId)
await store.close()
