/** What the id of a system may be; see store/src/deployment.ts. */
export const SYSTEM_ID_PATTERN = '^[A-Za-z0-9_-]{1,64}$'
