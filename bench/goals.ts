/** What we want of the figures. The commands hold each run against it, on the page and in the terminal. */

export interface Goal {
  path: string
  /** Which figure of which case is meant; a pattern where the name of a figure says its size. */
  case: string
  figure: string | RegExp
  unit: string
  /** Divided by the same figure of this case of the same run. */
  over?: { case: string; name: string }
  atMost?: number
  atLeast?: number
}

/** Our CPU per operation as a share of somebody else's. */
const beside = (path: string, peer: string, atMost: number, label = path): Goal => ({
  path: label,
  case: `${path}: airunner`,
  figure: 'server_cpu_ms',
  unit: 'ms of CPU',
  over: { case: `${path}: ${peer}`, name: peer },
  atMost,
})

const full = 'revoke-many: airunner, full registry'
const withFullRegistry = 'revoke, registry full of revoked ones'

/** Held against the results of `npm run bench:peers`. */
export const goalsBesideOthers: Goal[] = [
  beside('handshake', 'node:https', 1.25, 'handshake and admitted whoami'),
  beside('keep-alive', 'node:https', 2.5, 'admitted request, connection kept'),
  beside('issue', 'step-ca', 0.6),
  beside('issue', 'step-ca', 0.35, 'issue, aimed at'),
  beside('renew-kept', 'step-ca', 1, 'renew, connection kept'),
  beside('renew-fresh', 'step-ca', 1, 'renew, fresh connection'),
  beside('revoke', 'step-ca', 0.7),
  { ...beside('revoke-many', 'step-ca with CRL', 0.7, withFullRegistry), case: full },
  {
    ...beside('revoke', 'airunner', 1.2, withFullRegistry),
    case: full,
    over: { case: 'revoke: airunner', name: 'in an empty one' },
  },
]

/** Held against the results of `npm run bench`. */
export const goalsAlone: Goal[] = [
  {
    path: 'admitted request: CPU of the store, of which one call takes more than 0.1',
    case: 'keep-alive',
    figure: 'store_cpu_ms',
    unit: 'ms',
    atMost: 0.01,
  },
  { path: 'revoke → socket closed, same server, p99', case: 'cut', figure: 'here_p99_ms', unit: 'ms', atMost: 50 },
  {
    path: 'revoke → socket closed, other server, p99',
    case: 'cut',
    figure: 'elsewhere_p99_ms',
    unit: 'ms',
    atMost: 1500,
  },
  { path: 'idle event stream, resident', case: 'streams', figure: 'rss_of_one_kb', unit: 'KB', atMost: 60 },
  { path: 'large registry', case: 'rows', figure: /^admission: .* are times /, unit: '×', atMost: 1.2 },
  { path: 'large registry', case: 'rows', figure: /^issue: .* are times /, unit: '×', atMost: 1.2 },
  { path: 'large registry', case: 'rows', figure: /^revoke: .* are times /, unit: '×', atMost: 1.2 },
  {
    path: 'one worker per core, beside the load generator',
    case: 'workers',
    figure: 'auto_times_one_measured',
    unit: '×',
    atLeast: 1.7,
  },
  {
    path: 'one worker per core, had each one a core',
    case: 'workers',
    figure: 'auto_times_one_with_cores_for_themselves',
    unit: '×',
    atLeast: 1.7,
  },
  { path: 'start → first 200', case: 'start', figure: 'first_200_ms', unit: 'ms', atMost: 500 },
  { path: 'idle server, resident', case: 'start', figure: 'idle_rss_mb', unit: 'MB', atMost: 110 },
  { path: 'CRL read and encoded', case: 'crl', figure: /revoked: list built, s$/, unit: 's', atMost: 2 },
  {
    path: 'requests while CRLs are built, p99',
    case: 'crl',
    figure: /revoked: requests, p99, ms$/,
    unit: 'ms',
    atMost: 100,
  },
]
