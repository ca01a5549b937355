import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { freePort } from '../../test/support/free-port.ts'
import { temporaryFolder } from '../support/leavings.ts'
import { startProcess, untilAnswers } from '../support/process.ts'
import type { Peer } from './contender.ts'
import { floorPlans } from './floor.ts'
import { findProgram, printed } from './installed.ts'

const configuration = (folder: string, port: number): string => `
daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${folder}; proxy_temp_path ${folder}; fastcgi_temp_path ${folder};
  uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  keepalive_requests 1000000;
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate ${folder}/server.pem;
    ssl_certificate_key ${folder}/server.key;
    ssl_protocols TLSv1.3;
    ssl_session_cache off;
    ssl_session_tickets off;
    ssl_client_certificate ${folder}/ca.pem;
    ssl_verify_client on;
    ssl_verify_depth 2;
    location / { return 200 'ok'; }
  }
}
`

const program = findProgram('nginx')

export const answersTcp = (port: number): Promise<boolean> =>
  new Promise((done, failed) => {
    const socket = connect(port, '127.0.0.1', () => done(true))
    socket.once('error', failed)
    socket.once('connect', () => socket.destroy())
  })

export const nginx: Peer = {
  name: 'nginx',
  version: () => (program === undefined ? undefined : /nginx\/([\d.]+)/.exec(printed(program, '-v'))?.[1]),
  start: async (bout) => {
    const { env } = bout.stage
    const folder = temporaryFolder('nginx')
    const port = await freePort()
    writeFileSync(join(folder, 'nginx.conf'), configuration(folder, port))
    writeFileSync(join(folder, 'server.pem'), env['AIRUNNER_SERVER_CERT'] ?? '')
    writeFileSync(join(folder, 'server.key'), env['AIRUNNER_SERVER_KEY'] ?? '', { mode: 0o600 })
    writeFileSync(join(folder, 'ca.pem'), `${env['AIRUNNER_CA_CERT']}${env['AIRUNNER_ISSUER_CERT']}`)
    const server = startProcess(program as string, ['-p', folder, '-c', join(folder, 'nginx.conf')])
    await untilAnswers(server, () => answersTcp(port))
    const openssl = /OpenSSL ([\d.]+)/.exec(printed(program as string, '-V'))?.[1]
    return {
      name: 'nginx',
      pid: server.pid,
      plans: floorPlans(bout, `127.0.0.1:${port}`, await bout.stage.crowd()),
      notes: [
        `nginx: one process, \`ssl_verify_client on\`, answers \`ok\`, OpenSSL ${openssl}: before 3.5 it knows no X25519MLKEM768, which makes its handshake cheaper`,
      ],
      end: () => server.end(),
    }
  },
}
