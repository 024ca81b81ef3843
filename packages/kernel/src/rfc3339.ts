/** RFC 3339, UTC, milliseconds: how every time leaves the system. */
export const rfc3339 = (ms: number): string => new Date(ms).toISOString()
