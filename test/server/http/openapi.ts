import t from 'tap'
import { renderOpenApi } from '../../../scripts/generate/openapi.ts'
import { call, openMtlsApp, serialOf } from '../../support/http-apps.ts'

type Json = Record<string, unknown>
const operationsOf = (document: { paths: Record<string, Record<string, Json>> }) =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ name: `${method} ${path}`, operation })),
  )

t.test('the document is the same each time, and the one that is served', async (t) => {
  const text = await renderOpenApi()
  t.equal(await renderOpenApi(), text)
  const apps = await openMtlsApp()
  t.teardown(apps.close)
  const served = await call(await apps.portFor(serialOf.worker), 'GET', '/openapi.json')
  t.strictSame(served.json, JSON.parse(text))
})

t.test('each operation is described in full', async (t) => {
  const document = JSON.parse(await renderOpenApi())
  t.match(document, { openapi: '3.1.0', security: [{ mutualTLS: [] }] })
  const seen = new Set<unknown>()
  for (const { name, operation } of operationsOf(document)) {
    t.match(operation, { operationId: String, summary: String, tags: [String], 'x-permission': String }, name)
    t.notOk(seen.has(operation['operationId']), `${name} has an id of its own`)
    seen.add(operation['operationId'])
    const responses = operation['responses'] as Record<string, Json>
    for (const status of ['400', '401', '406', '408', '414', '429', '431', '500', '503']) {
      t.ok(responses[status], `${name} can answer ${status}`)
    }
    for (const [status, response] of Object.entries(responses)) {
      t.type(response['description'], 'string')
      const types = Object.keys((response['content'] as Json | undefined) ?? {})
      if (Number(status) >= 400) t.strictSame(types, ['application/problem+json'], `${name} ${status}`)
    }
  }
})

t.test('joining alone needs no certificate', async (t) => {
  const document = JSON.parse(await renderOpenApi())
  const open = operationsOf(document).filter(({ operation }) => operation['security'] !== undefined)
  t.strictSame(
    open.map(({ name, operation }) => [name, operation['security']]),
    [['post /v1/enrollments', []]],
  )
})

t.test('every reference leads somewhere', async (t) => {
  const text = await renderOpenApi()
  const document = JSON.parse(text)
  for (const [, name] of text.matchAll(/"\$ref": "#\/components\/schemas\/(\w+)"/g)) {
    t.ok(document.components.schemas[name as string], `${name}`)
  }
  t.notMatch(text, /"\$id"|~kind|def-\d/)
})
