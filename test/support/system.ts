/** What a system test starts with: the whole system on ports of its own, an HTTP client, log checks. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { assertNoChildren } from '@checkout/testkit/children.ts'
import { natsServerProgram } from '@checkout/testkit/nats.ts'
import type { Test } from 'tap'
import { type System, type SystemOptions, startSystem } from '../../scripts/system.ts'

/**
 * Runs `body` with a system of its own: temporary folder, free ports, the nats-server that NATS_SERVER names (else the
 * first that is found). Afterwards the system is stopped, and the test fails if a child process is left. The folder is
 * deleted, but kept for a look at the logs when the test failed.
 */
export async function withSystem(
  t: Test,
  options: Partial<SystemOptions>,
  body: (system: System) => Promise<void>,
): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'checkout-'))
  let done = false
  try {
    const system = await startSystem({ dataDir, ports: 'free', natsServer: await natsServerProgram(), ...options })
    try {
      await body(system)
      done = true
    } finally {
      await system.stop()
    }
    assertNoChildren(t)
  } finally {
    if (done && t.passing()) rmSync(dataDir, { recursive: true, force: true })
    else t.comment(`data and logs are kept in ${dataDir}`)
  }
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  /** Parsed when the answer is JSON, else the text; undefined without a body. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read answers field by field and compare what they find
  readonly body: any
}

/** An HTTP client that sends X-User-Id; without `userId` it sends none. Rejects only when no answer comes. */
export function client(url: string, userId?: string) {
  return async (
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> => {
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(userId !== undefined && { 'x-user-id': userId }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    const json = response.headers.get('content-type')?.includes('json')
    return {
      status: response.status,
      headers: response.headers,
      body: text === '' ? undefined : json ? JSON.parse(text) : text,
    }
  }
}

const trouble = /^\s+at .+:\d+:\d+\)?$|unhandled ?rejection|uncaught ?exception|\[(ERR|FTL)\]/i

/** Every log line of a system that a healthy run does not have: level error or worse, stack traces, rejections. */
export function troubleIn(system: Pick<System, 'logsDir'>): string[] {
  return readdirSync(system.logsDir)
    .filter((file) => file.endsWith('.log'))
    .flatMap((file) =>
      readFileSync(join(system.logsDir, file), 'utf8')
        .split('\n')
        .filter((line) => trouble.test(line) || isError(line))
        .map((line) => `${file}: ${line}`),
    )
}

/** Whether a pino line has level error or worse: its label, or its number from 50 on. */
function isError(line: string): boolean {
  if (!line.startsWith('{')) return false
  try {
    const { level } = JSON.parse(line) as { level?: number | string }
    return typeof level === 'number' ? level >= 50 : level === 'error' || level === 'fatal'
  } catch {
    return false // the last line of a process that was killed while it wrote
  }
}

/** Fails the test when a log of the system holds an error, a stack trace or an unhandled rejection. */
export function assertNoErrors(t: Test, system: Pick<System, 'logsDir'>) {
  t.strictSame(troubleIn(system), [], 'no errors in the logs')
}
