import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'

const bin = resolve(import.meta.dirname, '../../.tools/bin')

/** Why tests that need `names` are skipped, said on stderr as well; false when all are installed. */
export const missingTools = (...names: string[]): string | false => {
  const missing = names.filter((name) => !existsSync(join(bin, name)))
  if (missing.length === 0) return false
  const reason = `${missing.join(', ')} not installed: node_modules/.bin/node scripts/install-tools.ts`
  console.error(`SKIPPED: ${reason}`)
  return reason
}

export interface ToolAnswer {
  code: number
  stdout: string
  stderr: string
}

/** Runs an installed tool to its end, or for `timeoutMs` at most; then, and when it does not start, the code is -1. */
export const runTool = (name: string, args: string[], timeoutMs: number, cwd?: string): Promise<ToolAnswer> =>
  new Promise((done) => {
    const options = { timeout: timeoutMs, maxBuffer: 64 << 20, ...(cwd === undefined ? {} : { cwd }) }
    execFile(join(bin, name), args, options, (error, stdout, stderr) => {
      done({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, stdout, stderr })
    })
  })
