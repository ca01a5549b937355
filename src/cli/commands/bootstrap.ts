import { X509Certificate } from 'node:crypto'
import { type BootstrapFlags, bootstrapOptions, checkBootstrapFlags } from '../bootstrap/options.ts'
import { configurationError } from '../errors.ts'
import type { Verb } from '../noun.ts'
import type { Session } from '../session.ts'

/** Makes or finds what a plane starts from. */
export const bootstrapVerb = (session: Session): Verb => ({
  name: 'bootstrap',
  summary: 'make what a plane starts from: authorities, server certificate, first admin',
  description:
    'Finds what is there and never silently replaces it; a run that was cut off can be run again to the end, and a second run changes nothing. Terraform is applied first: it makes the tables, the parameters and the secrets that this fills. Keys of authorities go to Secrets Manager and to no file; the output directory gets the admin’s. With --local everything goes into the output directory, and the tables of an emulator (AWS_ENDPOINT_URL_DYNAMODB) are made as well: keep ca-key.pem offline.',
  options: bootstrapOptions(),
  examples: [
    'airunner bootstrap --environment prod --domain example.com --aws-region ap-southeast-2 --output-dir ./prod-certs --kms-issuer-key alias/airunner-prod-issuer',
    'airunner bootstrap --environment prod --domain example.com --aws-region ap-southeast-2 --output-dir ./prod-certs --kms-issuer-key alias/airunner-prod-issuer --ecs-cluster airunner-prod --ecs-service airunner-prod',
    'AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:8000 airunner bootstrap --local --output-dir ./local-certs',
  ],
  run: async ({ options }) => {
    const flags = options as BootstrapFlags
    checkBootstrapFlags(flags)
    // The authority's half needs what the server needs; the other commands run on Node 20 as well.
    if (!('validToDate' in X509Certificate.prototype))
      throw configurationError(`bootstrap needs Node 24.21 or newer, and this is ${process.version}`)
    try {
      if (flags.local === true) await (await import('../bootstrap/run-local.ts')).runLocal(session, flags)
      else await (await import('../bootstrap/run-deployment.ts')).runDeployment(session, flags)
    } catch (error) {
      const { refusalOf } = await import('../bootstrap/refusal.ts')
      throw await refusalOf(error, flags.awsRegion ?? (session.io.env['AWS_REGION'] || undefined))
    }
  },
})
