/** Whose the streams are, unless a test says otherwise. */
export const TEST_SYSTEM = { systemId: 'test', currency: 'RUB' }
