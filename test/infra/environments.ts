import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import t from 'tap'
import { readHcl } from '../../scripts/generate/hcl.ts'
import { inputsOf } from '../../scripts/generate/terraform-module.ts'

const folder = 'infra/examples/production'
const namesIn = (file: string): string[] =>
  [...readFileSync(resolve(import.meta.dirname, '../..', folder, file), 'utf8').matchAll(/^(\w+)\s*=/gm)]
    .map(([, name = '']) => name)
    .sort()

t.test('dev, sit and prod differ by values only', async (t) => {
  const prod = namesIn('prod.tfvars')
  t.same(namesIn('dev.tfvars'), prod)
  t.same(namesIn('sit.tfvars'), prod)
  const inputs = inputsOf(folder)
  const required = inputs.filter(({ default: preset }) => preset === undefined).map(({ name }) => name)
  t.same(
    required.filter((name) => !prod.includes(name)),
    [],
    'each says all that is required',
  )
  const known = inputs.map(({ name }) => name)
  t.same(
    prod.filter((name) => !known.includes(name)),
    [],
    'none says what is not known',
  )
})

t.test('no environment is named in the root that serves them all', async (t) => {
  const source = readFileSync(resolve(import.meta.dirname, '../..', folder, 'main.tf'), 'utf8')
  t.notMatch(source, /\b(dev|sit|prod)\b/)
  t.ok(readHcl(source, `${folder}/main.tf`).some(({ kind }) => kind === 'module'))
})
