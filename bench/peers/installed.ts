import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'

/** Where a program is: on the path, where Debian keeps daemons, or where `go install` puts it. */
export const findProgram = (name: string): string | undefined => {
  const env = process.env
  const folders = [
    ...(env['PATH'] ?? '').split(delimiter),
    '/usr/sbin',
    '/usr/local/sbin',
    env['GOBIN'],
    env['GOPATH'] && join(env['GOPATH'], 'bin'),
    join(homedir(), 'go', 'bin'),
  ]
  return folders
    .filter((folder): folder is string => folder !== undefined && folder !== '')
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path))
}

/** What a program prints, on either stream; empty when it cannot be run. */
export const printed = (path: string, ...args: string[]): string => {
  const { stdout, stderr } = spawnSync(path, args, { encoding: 'utf8', timeout: 20_000 })
  return `${stdout ?? ''}${stderr ?? ''}`
}
