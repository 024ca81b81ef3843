/** The browser that tests and bench drive: a Chromium that is installed, never one that is downloaded. */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

export const CHROMIUM_ARGS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** The program: CHROMIUM, else where Debian puts it, else the first on PATH; undefined when there is none. */
export function findChromium(): string | undefined {
  const named = process.env.CHROMIUM
  if (named) {
    if (!isExecutable(named)) throw new Error(`CHROMIUM is ${named}, which is no program`)
    return named
  }
  const onPath = (process.env.PATH ?? '').split(delimiter).filter(Boolean)
  return [
    '/usr/bin/chromium',
    ...['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'].flatMap((name) =>
      onPath.map((folder) => join(folder, name)),
    ),
  ].find(isExecutable)
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
