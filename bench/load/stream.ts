import { connect, type SecureContext, type TLSSocket } from 'node:tls'

/** Opens the event stream of an agent; resolves when its snapshot is there, rejects with the code of a refusal. */
export const openStream = (address: string, secureContext: SecureContext, instance: string): Promise<TLSSocket> =>
  new Promise((resolve, reject) => {
    const [host = '', port = ''] = address.split(':')
    const socket = connect({
      host,
      port: Number(port),
      servername: 'localhost',
      secureContext,
      ALPNProtocols: ['http/1.1'],
    })
    let text = ''
    const fail = () => reject(new Error(/"code":"(\w+)"/.exec(text)?.[1] ?? 'cut'))
    socket.on('error', () => undefined)
    socket.once('close', fail)
    socket.once('secureConnect', () =>
      socket.write(
        `GET /v1/agent/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nAirunner-Instance: ${instance}\r\n\r\n`,
      ),
    )
    const onData = (part: Buffer) => {
      text += part
      // A refusal: the caller decides when to come again.
      if (text.includes('\r\n\r\n') && !text.startsWith('HTTP/1.1 200')) return socket.destroy()
      if (!text.includes('event: snapshot')) return
      socket.off('data', onData)
      socket.off('close', fail)
      socket.resume()
      resolve(socket)
    }
    socket.on('data', onData)
  })

/** The same; whoever is told to come later does. */
export const openStreamPatiently = async (
  address: string,
  context: SecureContext,
  instance: string,
): Promise<TLSSocket> => {
  for (;;) {
    try {
      return await openStream(address, context, instance)
    } catch (error) {
      if (!/overloaded|rate_limited/.test((error as Error).message)) throw error
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
  }
}
