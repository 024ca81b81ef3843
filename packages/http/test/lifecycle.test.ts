import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'

type Line = Record<string, unknown>

/** Starts the fixture as a real process. */
function start(t: { teardown: (fn: () => unknown) => void }, port = 0, trouble = '', env: NodeJS.ProcessEnv = {}) {
  const file = new URL('./fixtures/service.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [file, String(port), trouble], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  t.teardown(() => child.kill('SIGKILL'))
  const lines: Line[] = []
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const waiting = new Map<string, (line: Line) => void>()
  createInterface(child.stdout).on('line', (text) => {
    const line = JSON.parse(text) as Line
    lines.push(line)
    waiting.get(String(line.msg))?.(line)
  })
  /** Resolves with the first line of that message, seen already or to come. */
  const logged = (msg: string) =>
    new Promise<Line>((resolve) => {
      const seen = lines.find((line) => line.msg === msg)
      if (seen) resolve(seen)
      else waiting.set(msg, resolve)
    })
  const closed = once(child, 'close').then(([code, signal]) => ({ code, signal, lines, stderr }))
  return { child: child as ChildProcess, logged, closed, messages: () => lines.map((line) => line.msg) }
}

const fetchOver = (agent: Agent, url: string) =>
  new Promise<{ status: number; body: string }>((resolve, reject) => {
    get(url, { agent }, (response) => {
      let body = ''
      response.on('data', (chunk) => {
        body += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
    }).on('error', reject)
  })

t.test('SIGTERM finishes the request in flight, runs the closers in order and exits 0', async (t) => {
  const service = start(t)
  const { url } = await service.logged('listening')
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const answer = fetchOver(agent, `${url}/slow`)
  await service.logged('slow begun')
  service.child.kill('SIGTERM')
  t.match(await answer, { status: 200, body: '{"finished":true}' })
  const { code, stderr } = await service.closed
  t.equal(code, 0)
  t.equal(stderr, '')
  const ending = service.messages().filter((msg) => /stop|closed|^request$/.test(String(msg)))
  t.strictSame(ending, ['stopping', 'request', 'consumers closed', 'store closed', 'stopped'])
})

t.test('connections that never finish a request do not hold the shutdown', async (t) => {
  const head = 'POST /slow HTTP/1.1\r\nHost: a\r\n'
  const halfBody = `${head}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{`
  const service = start(t)
  const { url } = await service.logged('listening')
  for (const sent of ['', head, halfBody]) {
    const socket = connect(Number(new URL(String(url)).port), '127.0.0.1')
    socket.on('error', () => {}) // it is cut off
    t.teardown(() => socket.destroy())
    await once(socket, 'connect')
    if (sent !== '') await new Promise((resolve) => socket.write(sent, resolve))
  }
  // Answered after the sockets above were accepted, so the server has seen them.
  const agent = new Agent()
  await fetchOver(agent, `${url}/nowhere`)
  service.child.kill('SIGTERM')
  t.match(await service.closed, { code: 0, stderr: '' })
})

t.test('a second signal exits at once', async (t) => {
  const service = start(t, 0, 'hang-store')
  await service.logged('listening')
  service.child.kill('SIGINT')
  await service.logged('consumers closed')
  service.child.kill('SIGTERM')
  const { code, lines } = await service.closed
  t.equal(code, 1)
  t.match(lines.at(-1), { msg: 'second signal, exiting at once', step: 'store' })
})

t.test('a shutdown that hangs exits 1 and says where', async (t) => {
  const service = start(t, 0, 'hang-store')
  await service.logged('listening')
  service.child.kill('SIGTERM')
  const { code, lines } = await service.closed
  t.equal(code, 1)
  t.match(lines.at(-1), { level: 'error', msg: 'shutdown hangs, exiting', step: 'store', ms: 7500 })
})

t.test("a service that is told HOST, which is the gateway's, says where it listens instead", async (t) => {
  const service = start(t, 0, '', { HOST: '0.0.0.0' })
  const message = 'HOST is for the gateway alone; this listens on 127.0.0.1 until SERVICES_HOST says otherwise'
  t.match(await service.logged(message), { level: 'warn' })
  t.match(await service.logged('listening'), { url: /^http:\/\/127\.0\.0\.1:/ })
})

t.test('a log that nobody reads does not hold the shutdown', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'unread-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  const stdout = openSync(pipe, 'r+') // its reader too, who does not read
  t.teardown(() => closeSync(stdout))
  const free = createServer().listen(0, '127.0.0.1')
  await once(free, 'listening')
  const { port } = free.address() as AddressInfo
  await new Promise((resolve) => free.close(resolve))
  const file = new URL('./fixtures/service.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [file, `${port}`, 'flood'], { stdio: ['ignore', stdout, 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const agent = new Agent()
  const live = () => fetchOver(agent, `http://127.0.0.1:${port}/health/live`).catch(() => undefined)
  while ((await live()) === undefined) await new Promise((resolve) => setTimeout(resolve, 20))
  t.match(await live(), { status: 404 }, 'it answers') // the fixture has no health
  child.kill('SIGTERM')
  t.strictSame(await once(child, 'exit'), [0, null], 'every step was taken in time, and it ended')
})

t.test('uncaught errors are logged and exit 1', async (t) => {
  for (const [path, message] of [
    ['/throw-later', 'thrown outside of any request'],
    ['/reject-later', 'nobody catches this'],
  ]) {
    const service = start(t)
    const { url } = await service.logged('listening')
    const agent = new Agent()
    await fetchOver(agent, `${url}${path}`).catch(() => {}) // it may die before it answers
    const { code, lines } = await service.closed
    t.equal(code, 1)
    t.match(
      lines.filter((line) => line.level === 'fatal'),
      [{ msg: 'uncaught error', err: { message } }],
    )
  }
})

t.test('a port in use is named, with the variable to change', async (t) => {
  const holder = createServer().listen(0, '127.0.0.1')
  await once(holder, 'listening')
  t.teardown(() => holder.close())
  const { port } = holder.address() as AddressInfo
  const { code, stderr } = await start(t, port).closed
  t.equal(code, 1)
  t.equal(
    stderr,
    `Cannot listen on 127.0.0.1:${port}: the port is in use. ` +
      'Stop the program that uses it, or set ORDERS_PORT to another port.\n',
  )
})
