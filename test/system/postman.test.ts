/**
 * The Postman collection against a system of its own: every assertion holds, each request and its response are shown,
 * every answer is as the services' OpenAPI documents have it, and nothing they document is left out without a reason.
 * A second run on the same system is as good.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { problemCodes } from '@checkout/kernel/problem.ts'
import { type HttpContract, readContract } from '@checkout/testkit/http-contract.ts'
import t, { type Test } from 'tap'
import { answersNotShown, codesNotShown } from '../../postman/exceptions.ts'
import { root, type System } from '../../scripts/system.ts'
import { assertNoErrors, withSystem } from '../support/system.ts'

/** What newman's JSON report says, as far as it is used. */
interface Report {
  run: {
    stats: { requests: { total: number }; assertions: { total: number } }
    failures: { source: { name: string }; error: { test: string; message: string } }[]
    executions: {
      item: { name: string }
      request: { method: string; url: { path: string[] } }
      /** Absent when none came, which is a failure. */
      response?: { code: number; header: { key: string; value: string }[]; stream: { data: number[] } }
    }[]
  }
}

/** Runs `make postman`'s script; `output` is what its user sees, when `cli` is among the reporters. */
async function postman(t: Test, system: System, reporters: string) {
  const folder = mkdtempSync(join(tmpdir(), 'postman-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'report.json')
  const args = ['scripts/postman.ts', '--reporters', reporters, '--reporter-json-export', file]
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...process.env, BASE_URL: system.url },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = new Promise<number | null>((resolve) => child.on('exit', resolve))
  const output = await text(child.stdout)
  return { code: await exited, output, report: JSON.parse(readFileSync(file, 'utf8')) as Report }
}

/** The contracts that the services behind the gateway serve; `of` finds the one that a path belongs to. */
async function servedContracts({ url }: System) {
  const [orders, payments, notifications] = await Promise.all(
    ['orders', 'payments', 'notifications'].map((part) =>
      readContract({
        async inject() {
          const answer = await fetch(`${url}/docs/${part}/json`)
          const body = await answer.text()
          return { statusCode: answer.status, headers: {}, body, json: () => JSON.parse(body) }
        },
      }),
    ),
  )
  const all = [orders, payments, notifications] as [HttpContract, HttpContract, HttpContract]
  const of = (path: string): HttpContract | undefined => {
    if (/^\/(users|orders|(journeys|status)\/orders)(\/|$)/.test(path)) return all[0]
    if (/^\/(accounts|(journeys|status)\/payments)(\/|$)/.test(path)) return all[1]
    if (/^\/(notifications|(journeys|status)\/notifications)(\/|$)/.test(path)) return all[2]
    return undefined
  }
  return { all, of }
}

/** Holds every answer of the run to the documents, and returns the codes of the problems among them. */
function checkAnswers(t: Test, { run }: Report, contracts: Awaited<ReturnType<typeof servedContracts>>): Set<string> {
  const codes = new Set<string>()
  for (const { item, request, response } of run.executions) {
    if (!response) continue
    const path = `/${request.url.path.join('/')}`
    const raw = Buffer.from(response.stream.data).toString()
    const headers = Object.fromEntries(response.header.map(({ key, value }) => [key.toLowerCase(), value]))
    const problem = headers['content-type'] === 'application/problem+json'
    if (problem) codes.add(JSON.parse(raw).code)
    const contract = contracts.of(path)
    if (!contract) continue
    const body = raw === '' ? undefined : JSON.parse(raw)
    t.doesNotThrow(() => contract.check(request.method, path, { status: response.code, headers, body }), item.name)
  }
  return codes
}

/** Runs the collection; fails the test when an assertion of it fails. */
async function passes(t: Test, system: System, time: string, reporters: string) {
  const { code, output, report } = await postman(t, system, reporters)
  const { stats, failures } = report.run
  t.comment(`${time} run: ${stats.requests.total} requests, ${stats.assertions.total} assertions`)
  t.strictSame(
    failures.map(({ source, error }) => `${source.name}: ${error.test}: ${error.message}`),
    [],
    `the ${time} run`,
  )
  t.equal(code, 0)
  t.ok(stats.assertions.total > 2 * stats.requests.total)
  return { output, report }
}

t.test('the Postman collection', (t) =>
  withSystem(t, {}, async (system) => {
    const contracts = await servedContracts(system)
    const { output, report } = await passes(t, system, 'first', 'cli,json')
    const { total } = report.run.stats.requests
    const shown = (word: string) => output.split(`│ '${word}', {`).length - 1
    t.strictSame([shown('request'), shown('response')], [total, total], 'all are shown')
    t.match(output, "description: 'Sun hat, straw'", 'with their bodies')
    t.match(output, "failureReason: 'insufficient_funds'")
    const codes = checkAnswers(t, report, contracts)
    await passes(t, system, 'second', 'json')

    const missing = contracts.all.flatMap((contract) => contract.unanswered())
    t.strictSame(
      missing.filter((answer) => !answersNotShown.some(({ answers }) => answers.test(answer))),
      [],
      'every documented answer is shown, or there is a reason',
    )
    for (const { answers, what } of answersNotShown) {
      t.ok(
        missing.some((answer) => answers.test(answer)),
        `${what} is documented, and not shown indeed`,
      )
    }
    const excused = Object.keys(codesNotShown)
    const documented = missing.flatMap((answer) => answer.split(' ')[3] ?? [])
    t.strictSame(
      Object.keys(problemCodes)
        .filter((code) => !codes.has(code) && !documented.includes(code))
        .toSorted(),
      excused.toSorted(),
      'and so is every code of a problem',
    )
    assertNoErrors(t, system)
  }),
)
