import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { engineSuite } from './engine-suite.ts'
import { openPublisherStore } from './support/life.ts'

engineSuite((t) => {
  const dir = mkdtempSync(join(tmpdir(), 'messaging-'))
  const store = openPublisherStore(dir)
  t.teardown(async () => {
    await store.close()
    rmSync(dir, { recursive: true })
  })
  return store
})
