import { logFormats, logLevels } from './log.ts'
import {
  awsRegions,
  bucketName,
  cidrs,
  count,
  directory,
  duration,
  epochFile,
  epochParameter,
  hostname,
  type Kind,
  listenAddress,
  objectIdentifier,
  oneOf,
  publicUrl,
  requiredAddress,
  workerCount,
} from './values.ts'

/** One flag, and the environment variable of the same meaning. */
export interface Option<T> {
  flag: string
  env: string
  kind: Kind<T>
  /** As it would be typed; absent: the option must be given. */
  default?: string
  /** In development mode, where it differs. */
  developmentDefault?: string
  /** Only `rpc-server dev` knows it. */
  developmentOnly?: boolean
  description: string
}

const option = <T>(
  flag: string,
  kind: Kind<T>,
  defaults: Pick<Option<T>, 'default' | 'developmentDefault' | 'developmentOnly'>,
  description: string,
): Option<T> => ({
  flag,
  env: `AIRUNNER_${flag.toUpperCase().replaceAll('-', '_')}`,
  kind,
  ...defaults,
  description,
})

/** Everything that a flag can say. Parsing, `--help`, `--check-config` and docs/configuration.md are made from this. */
export const options = {
  mtlsListen: option(
    'mtls-listen',
    requiredAddress,
    { default: '0.0.0.0:443', developmentDefault: '127.0.0.1:8443' },
    'the whole API; TLS 1.3 with a client certificate',
  ),
  enrollListen: option(
    'enroll-listen',
    listenAddress,
    { default: 'off', developmentDefault: '127.0.0.1:8444' },
    'joining and public trust material; TLS 1.3 without a client certificate',
  ),
  healthListen: option(
    'health-listen',
    listenAddress,
    { default: '0.0.0.0:8080', developmentDefault: '127.0.0.1:8080' },
    'plain HTTP: /health, /livez, /readyz',
  ),
  pkiListen: option(
    'pki-listen',
    listenAddress,
    { default: 'off', developmentDefault: '127.0.0.1:8081' },
    'plain HTTP: the public PKI files under /pki/',
  ),
  metricsListen: option(
    'metrics-listen',
    listenAddress,
    { default: 'off' },
    'plain HTTP: /metrics in Prometheus text format',
  ),
  hostname: option(
    'hostname',
    hostname,
    { developmentDefault: 'localhost' },
    'name that the server certificate must carry; also the SPIFFE trust domain',
  ),
  workers: option('workers', workerCount, { default: '1' }, 'processes sharing the listeners; auto: one per core'),
  feedInterval: option(
    'feed-interval',
    duration('50ms', '10s'),
    { default: '1s' },
    'how often each process reads the change feed',
  ),
  maxValidity: option(
    'max-validity',
    duration('5m', '3650d'),
    { default: '90d' },
    'longest certificate that may be asked for',
  ),
  supersedeGrace: option(
    'supersede-grace',
    duration('0', '7d'),
    { default: '300s' },
    'how long a certificate lives on after its successor was first used',
  ),
  publicUrl: option(
    'public-url',
    {
      ...publicUrl,
      expected: `${publicUrl.expected}, or none`,
      read: (text) => (text === 'none' ? { value: undefined } : publicUrl.read(text)),
    },
    { default: 'none' },
    'base of the CRL and issuer URLs written into certificates',
  ),
  oidArc: option('oid-arc', objectIdentifier, { default: '1.3.6.1.4.1.99999.1' }, 'arc of the two private extensions'),
  storeEpochFile: option(
    'store-epoch-file',
    epochFile,
    { default: 'none', developmentDefault: 'auto' },
    'remember the mark of the tables in this file, so that restored tables let nobody in (in development mode auto: store-epoch in the data directory)',
  ),
  storeEpochParameter: option(
    'store-epoch-parameter',
    epochParameter,
    { default: 'auto' },
    'the same in this parameter of the Parameter Store; auto: store-epoch below AIRUNNER_SSM_PREFIX when that is set',
  ),
  awsRegions: option(
    'aws-regions',
    awsRegions,
    { default: 'commercial' },
    'regions whose STS is asked who a machine is that joins by an AWS identity',
  ),
  auditBucket: option(
    'audit-bucket',
    bucketName,
    { default: 'none' },
    'S3 bucket with object lock that keeps the signed checkpoints over the audit events',
  ),
  auditRetention: option(
    'audit-retention',
    duration('1d', '3650d'),
    { default: '400d' },
    'how long nobody can delete a checkpoint in that bucket',
  ),
  auditLockMode: option(
    'audit-lock-mode',
    oneOf(['compliance', 'governance'] as const),
    { default: 'compliance' },
    'whether nobody at all can delete it before, or nobody without s3:BypassGovernanceRetention',
  ),
  truststoreBucket: option(
    'truststore-bucket',
    bucketName,
    { default: 'none' },
    'S3 bucket in which truststore.pem, all issuers and roots that are trusted, is kept up to date',
  ),
  proxyProtocol: option(
    'proxy-protocol',
    cidrs,
    { default: 'off' },
    'expect a PROXY v2 header on the TLS listeners from these addresses',
  ),
  maxConnections: option(
    'max-connections',
    count(1, 1_000_000),
    { default: '20000' },
    'per process, on each TLS listener',
  ),
  drainDelay: option(
    'drain-delay',
    duration('0', '1h'),
    { default: '15s' },
    'after SIGTERM: go on accepting for so long',
  ),
  shutdownGrace: option(
    'shutdown-grace',
    duration('0', '1h'),
    { default: '25s' },
    'then: let requests finish for so long',
  ),
  logLevel: option('log-level', oneOf(logLevels), { default: 'info' }, 'least level that is logged'),
  logFormat: option(
    'log-format',
    oneOf(logFormats),
    { default: 'json' },
    'one JSON line each, or lines for people (in development mode on a terminal: pretty)',
  ),
  dataDir: option(
    'data-dir',
    directory,
    { default: '.airunner', developmentOnly: true },
    'where development mode keeps its store, keys and certificates',
  ),
} as const satisfies Record<string, Option<never> | Option<unknown>>

export type OptionName = keyof typeof options
type ValueOf<O> = O extends Option<infer T> ? T : never
/** What the options say, by name. Durations in milliseconds. */
export type OptionValues = { [K in OptionName]: ValueOf<(typeof options)[K]> }

/** A flag that takes no value. */
export const switches = {
  help: 'print this page',
  version: 'print the version',
  'check-config': 'validate everything, open no port, print the effective configuration without secrets; exit 0 or 2',
} as const
export type Switch = keyof typeof switches

/** A setting that only the environment carries. */
export interface Variable {
  env: string
  /** Holds PEM: `<env>_FILE` may name a file instead. */
  pem?: boolean
  description: string
}

export const variables = {
  principalTable: { env: 'AIRUNNER_PRINCIPAL_TABLE', description: 'name of the table of principals; required' },
  certTable: { env: 'AIRUNNER_CERT_TABLE', description: 'name of the table of certificates; required' },
  controlTable: { env: 'AIRUNNER_CONTROL_TABLE', description: 'name of the table of everything else; required' },
  caCert: { env: 'AIRUNNER_CA_CERT', pem: true, description: 'trust bundle: one or more roots; required' },
  serverCert: { env: 'AIRUNNER_SERVER_CERT', pem: true, description: 'server certificate, then its issuers' },
  serverKey: { env: 'AIRUNNER_SERVER_KEY', pem: true, description: 'private key of the server certificate' },
  serverIssuerCert: {
    env: 'AIRUNNER_SERVER_ISSUER_CERT',
    pem: true,
    description: 'without a server certificate: issuer by which each process issues its own, for 7 days',
  },
  serverIssuerKey: { env: 'AIRUNNER_SERVER_ISSUER_KEY', pem: true, description: 'private key of that issuer' },
  serverIssuerKmsKeyId: {
    env: 'AIRUNNER_SERVER_ISSUER_KMS_KEY_ID',
    description: 'instead: the AWS KMS key that signs for that issuer, as for AIRUNNER_ISSUER_KMS_KEY_ID',
  },
  issuerCert: {
    env: 'AIRUNNER_ISSUER_CERT',
    pem: true,
    description: 'certificates of the issuers of client certificates; absent: nothing is issued',
  },
  issuerKey: { env: 'AIRUNNER_ISSUER_KEY', pem: true, description: 'their private keys, matched by public key' },
  issuerKmsKeyId: {
    env: 'AIRUNNER_ISSUER_KMS_KEY_ID',
    description:
      'instead: an AWS KMS key of type ECC_NIST_P256 / SIGN_VERIFY by its id, ARN or alias; several during a rotation, separated by commas or spaces',
  },
  auditKey: {
    env: 'AIRUNNER_AUDIT_KEY',
    pem: true,
    description: 'private key (P-256) that signs checkpoints over the audit events, and nothing else',
  },
  auditKmsKeyId: {
    env: 'AIRUNNER_AUDIT_KMS_KEY_ID',
    description: 'instead: an AWS KMS key of type ECC_NIST_P256 / SIGN_VERIFY',
  },
  ssmPrefix: {
    env: 'AIRUNNER_SSM_PREFIX',
    description:
      'e.g. /airunner/prod: read ca-cert, server-cert, server-key and issuer-cert below it from the Parameter Store instead, and again every 5 minutes',
  },
} as const satisfies Record<string, Variable>
