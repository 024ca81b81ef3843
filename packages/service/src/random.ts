import { randomFillSync } from 'node:crypto'

const DRAWS = 256

/** Draws so many random bytes at a time, from a block: a system call per id or event would cost more. Not to be written to. */
export function createRandom(bytes: number): () => Buffer {
  const block = Buffer.alloc(bytes * DRAWS)
  let used = block.length
  return () => {
    if (used >= block.length) {
      randomFillSync(block)
      used = 0
    }
    used += bytes
    return block.subarray(used - bytes, used)
  }
}
