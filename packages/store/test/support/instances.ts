/** Other instances on the same file: real processes, driven by lines of text (see instance.ts). */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'

export type Instance = ReturnType<typeof startInstance>

/** Starts a process; `maxFileKiB` is the largest file that it may write (RLIMIT_FSIZE). */
export function startInstance(t: Test, { maxFileKiB }: { maxFileKiB?: number } = {}) {
  const node = [process.execPath, new URL('./instance.ts', import.meta.url).pathname]
  const [command, ...args] = maxFileKiB ? ['bash', '-c', `ulimit -f ${maxFileKiB}; exec "$@"`, 'bash', ...node] : node
  const child = spawn(command as string, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  child.stdin.on('error', () => {}) // it may be dead before it has read
  const lines: string[] = []
  let drained = false
  const output = createInterface(child.stdout)
    .on('line', (line) => lines.push(line))
    .on('close', () => {
      drained = true
    })
  return {
    lines,
    exited,
    /** Whether everything that it wrote before it ended is in `lines`. */
    drained: () => drained,
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    send: (line: string) => void child.stdin.write(`${line}\n`),
    /** Sends the line and resolves with what follows `reply` in the first new line that starts with it. */
    ask(line: string, reply: string): Promise<string> {
      return new Promise((resolve, reject) => {
        output.on('line', (answer) => {
          if (answer.startsWith(reply)) resolve(answer.slice(reply.length).trim())
        })
        output.once('close', () => reject(new Error(`it ended before it said ${reply} after ${line}`)))
        child.stdin.write(`${line}\n`)
      })
    },
  }
}
