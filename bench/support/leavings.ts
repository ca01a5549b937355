/** What must not outlive the bench, however it ends: processes and folders. */
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const children = new Set<ChildProcess>()
const folders = new Set<string>()

const cleanUp = (): void => {
  for (const child of children) child.kill('SIGKILL')
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
}

process.on('exit', cleanUp)
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)
  process.on(signal, () => process.exit(code))
// npm ends on a signal without passing it on.
const startedBy = process.ppid
if (process.env['npm_lifecycle_event'] !== undefined)
  setInterval(() => process.ppid === startedBy || process.exit(143), 500).unref()

/** Ends a child with this process. Returns what makes it forget. */
export const endWithUs = (child: ChildProcess): (() => void) => {
  children.add(child)
  const forget = () => void children.delete(child)
  child.once('exit', forget)
  return forget
}

/** A folder that is gone when this process is. */
export const temporaryFolder = (name: string): string => {
  const folder = mkdtempSync(join(tmpdir(), `airunner-bench-${name}-`))
  folders.add(folder)
  return folder
}
