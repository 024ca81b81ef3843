/**
 * Preloaded into a process (NODE_OPTIONS=--import=…), it lets a test set the wall clock of that process while it runs: Date
 * is ahead by as many ms as the file WALL_CLOCK_FILE says, from the moment on at which that is written. Timers and
 * performance.now() go on as they do when a real wall clock is set.
 */
import { readFileSync } from 'node:fs'

const RealDate = Date
const { WALL_CLOCK_FILE: file } = process.env
if (!file) throw new Error('WALL_CLOCK_FILE is not set')
const now = () => RealDate.now() + Number(readFileSync(file, 'utf8'))

globalThis.Date = class extends RealDate {
  constructor(...given) {
    if (given.length === 0) super(now())
    else super(...given)
  }
  static now() {
    return now()
  }
}
