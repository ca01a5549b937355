import { Sha256 } from '@aws-crypto/sha256-js'
import { SignatureV4 } from '@smithy/signature-v4'

/** The emulator names every balancer as an application balancer: `…:loadbalancer/app/…`. A network balancer's is `net`. */
const ours = /:(loadbalancer|listener)\/net\//
const theirs = /:(loadbalancer|listener)\/app\//g

/** An answer, with the names that AWS would give. */
export const asNetwork = (xml: string): string => xml.replace(theirs, ':$1/net/')

interface Request {
  method: string
  path: string
  headers: Record<string, string>
  body: string
}
interface Owner {
  region: string
  credentials: { accessKeyId: string; secretAccessKey: string }
}

/** A question of the owner of the emulator, by the emulator's names, and signed anew; undefined when it names none. */
export const asApplication = async (request: Request, owner: Owner): Promise<Request | undefined> => {
  const plain = decodeURIComponent(request.body.replaceAll('+', ' '))
  if (!ours.test(plain)) return undefined
  const body = request.body.replace(/(%3A|:)(loadbalancer|listener)(%2F|\/)net(%2F|\/)/g, '$1$2$3app$4')
  const signer = new SignatureV4({ ...owner, service: 'elasticloadbalancing', sha256: Sha256 })
  const { host = '' } = request.headers
  const signed = await signer.sign({
    method: request.method,
    protocol: 'http:',
    hostname: host.split(':')[0] ?? '',
    path: request.path,
    headers: { host, 'content-type': request.headers['content-type'] ?? '' },
    body,
  })
  return { ...request, headers: signed.headers, body }
}
