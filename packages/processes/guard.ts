import { spawn } from 'node:child_process'

/**
 * Stops a supervisor's processes when the supervisor itself is killed (SIGKILL, out of memory) and can no longer do it.
 *
 * A small shell reads the pids from a pipe. The kernel closes the pipe with the supervisor, whatever ended it; pids
 * that are left then get SIGTERM, and SIGKILL 9 s later. It runs in its own session, out of reach of Ctrl-C.
 */
export interface Guard {
  add(pid: number): void
  remove(pid: number): void
  /** Resolves when the guard's shell has ended. Pids that were not removed are stopped. */
  close(): Promise<void>
}

const watch = `
pids=' '
while read -r op pid; do
  case $op in
    +) pids="$pids$pid " ;;
    -) case $pids in *" $pid "*) pids="\${pids%% $pid *} \${pids#* $pid }" ;; esac ;;
  esac
done
for pid in $pids; do kill -TERM $pid; kill -CONT $pid; done 2>/dev/null
for second in 1 2 3 4 5 6 7 8 9; do
  alive=
  for pid in $pids; do kill -0 $pid 2>/dev/null && alive=yes; done
  [ "$alive" ] || exit 0
  sleep 1
done
for pid in $pids; do kill -KILL $pid; done 2>/dev/null
exit 0
`

export function createGuard(): Guard {
  const shell = spawn('sh', ['-c', watch], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  const ended = new Promise<void>((resolve) => {
    shell.once('close', () => resolve())
    shell.once('error', () => resolve())
  })
  shell.stdin.on('error', () => {}) // a guard that is gone must not take the supervisor with it
  return {
    add: (pid) => void shell.stdin.write(`+ ${pid}\n`),
    remove: (pid) => void shell.stdin.write(`- ${pid}\n`),
    close: () => {
      shell.stdin.end()
      return ended
    },
  }
}
