/** Request targets that a hostile or broken client sends, byte by byte; no answer to any of them may be a 5xx. */
import { once } from 'node:events'
import { connect } from 'node:net'

const pieces = [
  '.',
  '..',
  '...',
  '%2e%2e',
  '%2e.',
  '%252e%252e',
  '%c0%ae%c0%ae', // overlong
  '..%2f',
  '..%5c',
  '..\\',
  '%00',
  'a%00.json',
  '%',
  '%z',
  '%zz',
  '%f',
  '%ff',
  '%u002e',
  '%23',
  '%3f',
  '%0d%0aX-Evil:%201',
  ';a=b',
  '*',
  ':id',
  '%E2%98%83',
  '\xe2\x98\x83', // sent as it is
  '%ed%a0%80', // half of a surrogate pair
  '__proto__',
  'constructor',
  'hasOwnProperty',
  'con',
  '~',
  '"<script>',
  '|',
  '{}',
  'a'.repeat(300),
  'a'.repeat(6_000),
  '%2e'.repeat(2_000),
  '../'.repeat(1_000),
]

/** Behind each base, alone, with something behind it, and twice. */
export const oddTargets = (bases: readonly string[]): string[] => [
  ...['*', '//', '///', '/\\', '?', '/?', '/?%', '/?%00=%00', '/#', 'http://', 'http://a', 'http://[', 'a', ':', '@/'],
  ...bases.flatMap((base) =>
    pieces.flatMap((piece) => [
      `${base}/${piece}`,
      `${base}/${piece}/`,
      `${base}/${piece}/${piece}/package.json`,
      `${base}${piece}`,
      `${base}?${piece}=${piece}`,
    ]),
  ),
]

/** The status of the answer to a request with this target; undefined when the connection ended without one. */
export async function statusOf(
  port: number,
  target: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<number | undefined> {
  const socket = connect(port, '127.0.0.1')
  const lines = Object.entries({ Host: 'localhost', Connection: 'close', ...headers }).map(([n, v]) => `${n}: ${v}\r\n`)
  let answer = ''
  socket.setEncoding('latin1')
  socket.on('data', (data) => {
    answer += data
  })
  socket.on('error', () => {}) // the end comes all the same
  socket.write(`${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1')
  await once(socket, 'close')
  const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(answer) ?? []
  return status === undefined ? undefined : Number(status)
}
