/**
 * Stands in for DNS in the programs that a test starts with `--import`: the name of the deployment is this machine, as
 * the operator's CNAME would say. AIRUNNER_TEST_NAME holds it.
 */
import dns from 'node:dns'

const name = process.env['AIRUNNER_TEST_NAME']
const real = dns.lookup
const lookup = (hostname: string, ...rest: unknown[]): void =>
  Reflect.apply(real, dns, [hostname === name ? '127.0.0.1' : hostname, ...rest])
Object.assign(dns, { lookup: Object.assign(lookup, real) })
