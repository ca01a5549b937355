import { generateKeyPairSync } from 'node:crypto'
import { rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { verifyExport, writeLines } from '../../src/cli/audit-file.ts'
import { makeExportLines } from '../../test/support/audit-export.ts'
import { temporaryFolder } from '../support/leavings.ts'
import { collect } from '../support/results.ts'
import type { Scene } from '../support/scene.ts'

/** Events between two checkpoints: some 17 a second. */
const perMinute = 1000

/** An export of one chain, 600 octets an event, and the key that signed it. */
const makeExport = async (events: number, directory: string) => {
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
  return { path, key }
}

/** Verifies it as the command does, in this process. */
const verify = async (events: number, { path, key }: Awaited<ReturnType<typeof makeExport>>) => {
  const before = process.memoryUsage.rss()
  let highest = before
  const watch = setInterval(() => {
    highest = Math.max(highest, process.memoryUsage.rss())
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
    export_mb: statSync(path).size / 1e6,
    seconds,
    cpu_seconds: (user + system) / 1e6,
    rss_before_mb: before / 1e6,
    rss_highest_mb: highest / 1e6,
  }
}

/** How long an export takes to verify, and how much memory. */
export const scene: Scene = {
  name: 'audit',
  what: `an export of one chain is verified, as \`airunner audit verify\` does: 200,000 events (quick: 20,000; EVENTS), a checkpoint after each ${perMinute.toLocaleString('en')}`,
  run: async ({ quick, runs }) => {
    const events = Number(process.env['EVENTS'] ?? (quick ? 20_000 : 200_000))
    const directory = temporaryFolder('audit')
    const made = await makeExport(events, directory)
    const samples: object[] = []
    for (let run = 0; run < runs; run++) samples.push(await verify(events, made))
    rmSync(directory, { recursive: true })
    return collect(samples)
  },
}
