import { makeMetrics } from '../../src/server/metrics.ts'
import { code, page, sentence, table } from './markdown.ts'

/** What a label can say, by `metric.label`, or by `label` where it says the same everywhere. */
const labels: Record<string, string> = {
  principal_type: '`admin`, `worker`, `user`, `service`, or `unknown`',
  'airunner_admissions_total.result': '`admitted`, or the [code](errors.md) of the refusal',
  'airunner_certificates_issued_total.kind': '`issued`, `renewed`, `enrolled`',
  'airunner_handshake_failures_total.reason':
    'why the connection ended before HTTP: a closed list, such as `no_certificate` or `unknown_issuer`',
  'airunner_http_responses_total.status': '`2xx`, `4xx`, `5xx` …',
  'airunner_ocsp_responses_total.status':
    '`good`, `revoked`, `unknown`; without an answer `malformed_request`, `unauthorized` (an issuer that is not ours), `try_later` (over the limit, or the store or the key of the issuer does not answer), `internal_error`',
  'airunner_signer_requests_total.operation': '`sign`, `get_public_key`',
  'airunner_signer_request_seconds.operation': '`sign`, `get_public_key`',
  'airunner_signer_requests_total.outcome':
    '`ok`, `throttled`, `refused` (access denied, key disabled or gone), `failed`, `timeout`, `unreachable`, `wrong_signature`, `busy` (never sent: too many were waiting)',
  issuer: 'the `issuer_id`',
  operation: 'the call to the store, such as `TransactWriteItems`',
  outcome: '`ok`, or how it failed',
  'airunner_certificate_expiry_seconds.kind': '`server`, `issuer`, `root`',
}

/** What the client library knows of a metric beyond its published type. */
interface Described {
  name: string
  help: string
  type: string
  labelNames: string[]
  upperBounds?: number[]
}

/** docs/metrics.md: what the metrics listener says about the plane itself. */
export const metricsPage = (): string => {
  const described = makeMetrics().registry.getMetricsAsArray() as unknown as Described[]
  const own = described.filter(({ name }) => name.startsWith('airunner_')).sort((a, b) => (a.name < b.name ? -1 : 1))
  const labelOf = (metric: string, label: string) => {
    const says = labels[`${metric}.${label}`] ?? labels[label]
    if (says === undefined) throw new Error(`scripts/generate/metrics.ts does not say what ${metric} means by ${label}`)
    return `${code(label)}: ${says}`
  }
  return page(
    'Metrics',
    'src/server/metrics.ts',
    `Prometheus text format at \`/metrics\`, on the listener that \`--metrics-listen\` opens. Of several worker processes it answers for all together.
No label ever names a principal or a certificate.`,
    table(
      ['metric', 'type', 'means', 'labels'],
      own.map(({ name, type, help, labelNames }) => [
        code(name),
        type,
        sentence(help),
        labelNames.map((label) => labelOf(name, label)).join('; '),
      ]),
    ),
    '## Buckets of the histograms, seconds',
    table(
      ['metric', 'buckets'],
      own.flatMap(({ name, upperBounds }) => (upperBounds === undefined ? [] : [[code(name), upperBounds.join(', ')]])),
    ),
    'Beside these: the figures about the process, its event loop and its memory that Node clients of Prometheus have by default (`process_*`, `nodejs_*`).',
  )
}
