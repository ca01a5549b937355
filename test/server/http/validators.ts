import t from 'tap'
import { makeValidators } from '../../../src/server/plugins/validators.ts'
import { openMtlsApp } from '../../support/http-apps.ts'

t.test('every schema of the API compiles', async (t) => {
  const apps = await openMtlsApp()
  t.teardown(apps.close)
  await t.resolves(apps.warm())
})

t.test('a schema that makes no sense is found without a request', async (t) => {
  const { controller, warm } = makeValidators()
  const build = controller.compilersFactory?.buildValidator as unknown as () => (route: object) => unknown
  build()({ schema: { type: 'text' }, method: 'GET', url: '/' })
  await t.rejects(warm(), /type/)
})

t.test('a schema of headers is met whatever case it names them in', async (t) => {
  const { controller } = makeValidators()
  const build = controller.compilersFactory?.buildValidator as unknown as () => (
    route: object,
  ) => ((data: unknown) => boolean) & { errors: unknown }
  const validate = build()({
    schema: { type: 'object', properties: { 'If-Match': { type: 'string', maxLength: 2 } }, required: ['If-Match'] },
    httpPart: 'headers',
  })
  t.equal(validate({ 'if-match': 'ab' }), true)
  t.equal(validate.errors, null)
  t.equal(validate({}), false)
  t.equal(validate({ 'if-match': 'abc' }), false)
  t.match(validate.errors, [{ keyword: 'maxLength' }])
})
