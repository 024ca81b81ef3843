/** The leak guard: processes that a test started and left behind. */
import { execFileSync } from 'node:child_process'
import type { Test } from 'tap'

/** Of what all tests of a file share. */
export const shared = new Set<number>()

/** Fails the test when this process has a child left, and ends the child so that the next test starts clean. */
export function assertNoChildren(t: Test) {
  const left = children().filter(({ pid }) => !shared.has(pid))
  t.strictSame(left, [], 'no child process is left')
  for (const { pid } of left) process.kill(pid, 'SIGKILL')
}

/** The live children of this process. */
export function children(): { pid: number; command: string }[] {
  // `ps` itself is a child too while it lists.
  return execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat=,args='], { encoding: 'utf8', maxBuffer: 2 ** 26 })
    .split('\n')
    .map((line) => line.trim().match(/^(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/))
    .filter((m) => m !== null)
    .filter(
      ([, , ppid, stat, args]) => ppid === `${process.pid}` && !stat?.startsWith('Z') && !args?.startsWith('ps -A'),
    )
    .map(([, pid, , , command]) => ({ pid: Number(pid), command: command ?? '' }))
}
