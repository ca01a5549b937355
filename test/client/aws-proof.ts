import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { signAwsProof } from '../../src/client/aws-proof.ts'
import { signatureOf } from '../support/sts.ts'

const hostname = 'airunner-prod.example.com'
const csrSha256 = 'ab'.repeat(32)
const credentials = {
  accessKeyId: 'ASIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  sessionToken: 'a/session+token==',
}
const at = Date.UTC(2026, 10, 5, 12, 30, 15)

t.test('a proof is the signature of the one request that the plane sends', async (t) => {
  for (const [name, who] of Object.entries({
    session: credentials,
    user: { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'secret' },
  })) {
    const proof = await signAwsProof({ hostname, csrSha256, region: 'eu-west-1', credentials: who, now: () => at })
    const token = 'sessionToken' in who ? { 'x-amz-security-token': who.sessionToken } : {}
    const headers = {
      'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
      host: 'sts.eu-west-1.amazonaws.com',
      'x-airunner-binding': `${hostname}.${csrSha256}`,
      'x-amz-date': '20261105T123015Z',
      ...token,
    }
    const signature = signatureOf({
      method: 'POST',
      path: '/',
      headers,
      body: 'Action=GetCallerIdentity&Version=2011-06-15',
      date: '20261105T123015Z',
      region: 'eu-west-1',
      secretAccessKey: who.secretAccessKey,
    })
    t.same(
      proof,
      {
        region: 'eu-west-1',
        authorization: `AWS4-HMAC-SHA256 Credential=${who.accessKeyId}/20261105/eu-west-1/sts/aws4_request, SignedHeaders=${Object.keys(headers).join(';')}, Signature=${signature}`,
        x_amz_date: '20261105T123015Z',
        ...('sessionToken' in who ? { x_amz_security_token: who.sessionToken } : {}),
      },
      name,
    )
  }
})

/** Runs a module in a process of its own; `loaded()` in it says which packages of AWS have been resolved. */
const run = async (body: string, env: Record<string, string>): Promise<unknown> => {
  const module = pathToFileURL(resolve(import.meta.dirname, '../../src/client/aws-proof.ts')).href
  const script = `
    import { registerHooks } from 'node:module'
    const seen = new Set()
    registerHooks({ resolve: (wanted, context, next) => {
      if (/^@(aws|smithy)/.test(wanted)) seen.add(wanted)
      return next(wanted, context)
    } })
    const loaded = () => [...seen]
    const { signAwsProof } = await import(${JSON.stringify(module)})
    const options = ${JSON.stringify({ hostname, csrSha256 })}
    ${body}`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    env: { HOME: '/nowhere', AWS_EC2_METADATA_DISABLED: 'true', ...env },
  })
  return JSON.parse(stdout)
}

t.test('nothing of AWS is loaded before it is used, and credentials come from where AWS tools find them', async (t) => {
  const answer = await run(
    `const before = loaded()
     const { authorization, ...proof } = await signAwsProof(options)
     console.log(JSON.stringify({ before, after: loaded().length > 0, authorization, proof }))`,
    {
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      AWS_SESSION_TOKEN: credentials.sessionToken,
      AWS_REGION: 'ap-southeast-2',
    },
  )
  t.match(answer, {
    before: [],
    after: true,
    authorization: /^AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE\/\d{8}\/ap-southeast-2\/sts\//,
    proof: { region: 'ap-southeast-2', x_amz_security_token: credentials.sessionToken },
  })
})

t.test('a machine without credentials is told so', async (t) => {
  const answer = await run(
    `const said = await signAwsProof(options).catch(({ name, message, why, next }) => ({ name, message, why, next }))
     console.log(JSON.stringify(said))`,
    {},
  )
  t.match(answer, { name: 'FileProblem', message: 'no AWS credentials were found', next: /role/ })
})
