import { spawn } from 'node:child_process'

/** Tells the service manager how things stand; nothing when none is listening. @see sd_notify(3) */
export interface Notify {
  ready(): void
  status(text: string): void
  stopping(): void
}

/**
 * Node has no datagram socket for NOTIFY_SOCKET, so systemd's own program speaks for us; the unit therefore says
 * NotifyAccess=all. Where the program is missing `onProblem` is told once.
 */
export const makeNotify = (env: Record<string, string | undefined>, onProblem: (why: string) => void): Notify => {
  const socket = env['NOTIFY_SOCKET']
  let broken = socket === undefined || socket === ''
  let last = ''
  const send = (...words: string[]): void => {
    if (broken) return
    const child = spawn('systemd-notify', [`--pid=${process.pid}`, ...words], {
      env: { PATH: env['PATH'] ?? '/usr/bin:/bin', NOTIFY_SOCKET: socket as string },
      stdio: 'ignore',
    })
    child.unref()
    child.on('error', (error) => {
      if (!broken) onProblem(`systemd-notify: ${error.message}`)
      broken = true
    })
  }
  return {
    ready: () => send('--ready'),
    status: (text) => {
      if (text === last) return
      last = text
      send(`--status=${text}`)
    },
    stopping: () => send('STOPPING=1'),
  }
}
