import t from 'tap'
import { commercialRegions } from '../../src/auth/join/aws-regions.ts'
import { readConfig } from '../../src/server/config.ts'

const read = (flags: Parameters<typeof readConfig>[0], env: Record<string, string> = {}) => {
  const tables = { AIRUNNER_PRINCIPAL_TABLE: 'one', AIRUNNER_CERT_TABLE: 'two', AIRUNNER_CONTROL_TABLE: 'three' }
  return readConfig({ hostname: 'localhost', ...flags }, { ...tables, ...env }, 'serve')
}

t.test('regions whose STS is asked', async (t) => {
  t.strictSame(read({}).config.awsRegions, commercialRegions, 'those of the partition aws, unless others are named')
  t.strictSame(read({ awsRegions: 'eu-west-1, us-gov-west-1' }).config.awsRegions, ['eu-west-1', 'us-gov-west-1'])
  t.strictSame(read({}, { AIRUNNER_AWS_REGIONS: 'us-east-1' }).config.awsRegions, ['us-east-1'])
  t.match(read({}).config.effective, { aws_regions: { value: 'commercial', source: 'default' } })
  for (const awsRegions of [
    '',
    ',',
    'cn-north-1',
    'eu-west-1,',
    'evil.example',
    'EU-WEST-1',
    'all',
    'us-east-1,us-east-1',
  ])
    t.match(read({ awsRegions }).problems, [{ name: '--aws-regions' }], JSON.stringify(awsRegions))
})

t.test('an STS at another address', async (t) => {
  const endpointOf = (text: string) => read({}, { AWS_ENDPOINT_URL_STS: text })
  t.equal(
    endpointOf('http://ministack:4566').config.stsEndpoint?.href,
    'http://ministack:4566/',
    'by http, if it says so',
  )
  t.equal(endpointOf('https://vpce.example/').config.stsEndpoint?.href, 'https://vpce.example/')
  t.notOk('stsEndpoint' in endpointOf('').config, 'empty is as good as unset')
  t.notOk(
    'stsEndpoint' in read({}, { AWS_ENDPOINT_URL: 'http://localhost:4566' }).config,
    'not by the general variable',
  )
  for (const text of [
    'ministack:4566',
    'ftp://localhost',
    'http://localhost/sts',
    'https://localhost/?x',
    'https://',
    ' ',
  ])
    t.match(endpointOf(text).problems, [{ name: 'AWS_ENDPOINT_URL_STS', message: /without path/ }], text)
  const [secret] = endpointOf('https://user:hunter2@localhost').problems
  t.match(secret?.message, /^found a URL with credentials/)
  t.notMatch(secret?.message, /hunter2/)
})
