import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'

export interface EmbeddedStoreOptions {
  /** Where its file lives, with everything that was ever written; absent: in memory. */
  directory?: string
  /** Tried first; another one is taken when it is not free. */
  port?: number
  /** Told when the engine ended by itself, and is being started again. */
  onRestart?: (reason: string) => void
}

export interface EmbeddedStore {
  endpoint: string
  port: number
  stop(): Promise<void>
}

/** Where the engine's binary is: a package of its own per platform. */
const binaryPath = (): string => {
  const name = `@dynoxide/${process.platform}-${process.arch}`
  try {
    return join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), 'dynoxide')
  } catch (cause) {
    throw new Error(
      `the embedded store is not installed for this platform: npm install ${name}, or set AWS_ENDPOINT_URL_DYNAMODB to a DynamoDB Local`,
      { cause },
    )
  }
}

const freePort = (wanted: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(wanted, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })

/** Milliseconds. */
const longestToFail = 150

// The engine knows no parent. This shell ends it as soon as our end of the pipe closes, however we die.
const leash = 'exec 3<&0; "$@" </dev/null & pid=$!; (cat <&3 >/dev/null; kill $pid 2>/dev/null) & exec 3<&-; wait $pid'

/** Starts the engine and keeps it running until `stop`; its port stays the same over restarts. */
export const startEmbeddedStore = async (options: EmbeddedStoreOptions = {}): Promise<EmbeddedStore> => {
  const binary = binaryPath()
  if (options.directory !== undefined) mkdirSync(options.directory, { recursive: true, mode: 0o700 })
  const port = options.port === undefined ? await freePort(0) : await freePort(options.port).catch(() => freePort(0))
  const endpoint = `http://127.0.0.1:${port}`
  let stopped = false
  let restarts = 0

  const launch = () => {
    const database = options.directory === undefined ? [] : ['--db-path', join(options.directory, 'store.db')]
    const child = spawn(
      '/bin/sh',
      ['-c', leash, 'dynoxide', binary, 'serve', '--host', '127.0.0.1', '--port', String(port), ...database],
      {
        stdio: ['pipe', 'ignore', 'ignore'],
        // A Ctrl-C in the terminal is for the server; it ends the engine when it no longer needs it.
        detached: true,
      },
    )
    const ended = new Promise<void>((resolve) => {
      child.once('exit', (code, signal) => {
        child.stdin.destroy()
        resolve()
        if (stopped) return
        options.onRestart?.(`the embedded store ended (${signal ?? code})`)
        setTimeout(
          () => {
            if (!stopped) running = launch()
          },
          Math.min(5000, 50 * 2 ** restarts++),
        ).unref()
      })
    })
    child.stdin.on('error', () => undefined)
    child.unref()
    ;(child.stdin as unknown as { unref(): void }).unref()
    return { child, ended }
  }
  let running = launch()

  const answers = async (): Promise<boolean> => {
    try {
      await fetch(endpoint, { signal: AbortSignal.timeout(500) })
      return true
    } catch {
      return false
    }
  }
  const launchedAt = performance.now()
  // A port that was free may have been taken by somebody else, who answers as well: an engine that cannot have it ends soon.
  const isOurs = () => performance.now() - launchedAt > longestToFail
  while (!(await answers()) || !isOurs() || restarts > 0) {
    if (restarts > 0) {
      stopped = true
      return startEmbeddedStore(options)
    }
    if (performance.now() - launchedAt > 10_000) throw new Error('the embedded store did not start within 10 s')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }

  return {
    endpoint,
    port,
    stop: async () => {
      stopped = true
      running.child.ref()
      running.child.stdin.end()
      await running.ended
    },
  }
}
