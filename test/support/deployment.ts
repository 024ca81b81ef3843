import type { Deployment } from '@checkout/service/deployment.ts'

/** Whose the streams are, unless a test says otherwise. */
export const TEST_SYSTEM: Deployment = { systemId: 'test', currency: 'RUB' }
