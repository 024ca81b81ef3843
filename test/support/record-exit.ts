/** Loaded with `--import`: leaves the process's exit code in the folder EXIT_CODES, as a file named by its pid. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

const folder = process.env.EXIT_CODES
if (folder) process.on('exit', (code) => writeFileSync(join(folder, `${process.pid}`), `${code}`))
