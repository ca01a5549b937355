#!/usr/bin/env node
import { refusedNode } from './node-version.ts'
import { holdNursery } from './nursery.ts'

// Nothing else is loaded before this: what an older Node cannot read, or reads wrongly, must not be reached.
const refusal = refusedNode(process.versions.node)
if (refusal === undefined) {
  holdNursery()
  const { run } = await import('./program.ts')
  process.exit(await run(process.argv.slice(2), process.env))
} else {
  process.stderr.write(`${refusal}\n`)
  process.exit(2)
}
