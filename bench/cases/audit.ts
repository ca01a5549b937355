/**
 * How long an export takes to verify, and how much memory.
 *
 *     npm run bench -- audit                      a chain of 1,000,000 events, 600 MB on disk while it runs
 *     EVENTS=100000 npm run bench -- audit
 */
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { verifyExport, writeLines } from '../../src/cli/audit-file.ts'
import { makeExportLines } from '../../test/support/audit-export.ts'

/** Events between two checkpoints: some 17 a second. */
const perMinute = 1000

/** Makes an export of one chain, and verifies it as the command does. Resolves with what it took. */
export const run = async ({ quick } = { quick: false }): Promise<Record<string, number>> => {
  const events = Number(process.env['EVENTS'] ?? (quick ? 20_000 : 1_000_000))
  const directory = mkdtempSync(join(tmpdir(), 'bench-audit-'))
  try {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const spki = publicKey.export({ type: 'spki', format: 'der' })
    const [path, key] = [join(directory, 'audit.jsonl'), join(directory, 'audit.pub.pem')]
    writeFileSync(key, publicKey.export({ type: 'spki', format: 'pem' }))
    const shape = { chains: 1, perMinute, minutes: Math.ceil(events / perMinute), tail: 0, privateKey, publicKey: spki }
    const lines = makeExportLines(shape)
    await writeLines(
      path,
      (async function* () {
        yield* lines
      })(),
    )
    const before = process.memoryUsage().rss
    let highest = before
    const watch = setInterval(() => {
      highest = Math.max(highest, process.memoryUsage().rss)
    }, 50)
    const [started, cpu] = [performance.now(), process.cpuUsage()]
    const result = await verifyExport(path, { keys: [key], pins: [], now: Date.now() + 365 * 86_400_000 })
    const seconds = (performance.now() - started) / 1000
    const { user, system } = process.cpuUsage(cpu)
    clearInterval(watch)
    if (result.found > 0 || result.events < events) throw new Error(JSON.stringify(result).slice(0, 500))
    return {
      events: result.events,
      checkpoints: result.checkpoints,
      megabytes: Math.round(statSync(path).size / 1e6),
      seconds: Math.round(seconds * 10) / 10,
      cpu_seconds: Math.round((user + system) / 1e5) / 10,
      rss_before_mb: Math.round(before / 1e6),
      rss_highest_mb: Math.round(highest / 1e6),
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

if (import.meta.main) console.log(await run())
