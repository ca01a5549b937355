/** The least that a Node program can do behind the TLS settings of ours. A program: started by node-https.ts. */
import { createServer } from 'node:https'
import { tlsOptionsOf } from '../../src/server/tls.ts'

const text = (name: string): string => process.env[name] ?? ''
const server = createServer(
  tlsOptionsOf(
    {
      chain_pem: text('AIRUNNER_SERVER_CERT'),
      key_pem: text('AIRUNNER_SERVER_KEY'),
      authorities_pem: [text('AIRUNNER_CA_CERT'), text('AIRUNNER_ISSUER_CERT')],
    },
    true,
  ),
  (_request, response) => response.end('ok'),
)
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify(server.address())))
