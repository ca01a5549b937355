import { fork } from 'node:child_process'
import { join } from 'node:path'
import { endWithUs } from '../support/leavings.ts'
import type { Load, Plan } from './plan.ts'

/** Starts a load generator: it takes a plan, opens what the plan wants open, and waits for the word. */
export const startGenerator = () => {
  const child = fork(join(import.meta.dirname, 'generator.ts'), { serialization: 'advanced' })
  const forget = endWithUs(child)
  const next = (): Promise<{ load?: Load }> =>
    new Promise((resolve, reject) => {
      const ended = () => reject(new Error('the load generator ended'))
      child.once('exit', ended)
      child.once('message', (message: { failed?: string; load?: Load }) => {
        child.off('exit', ended)
        if (message.failed === undefined) resolve(message)
        else reject(new Error(message.failed))
      })
    })
  return {
    prepare: async (plan: Plan): Promise<void> => {
      const ready = next()
      child.send(plan)
      await ready
    },
    go: async (): Promise<Load> => {
      const done = next()
      child.send('go')
      return (await done).load as Load
    },
    stop: (): void => {
      forget()
      child.disconnect()
    },
  }
}
export type Generator = ReturnType<typeof startGenerator>

/** Runs a plan that nobody measures, and gives the bodies of its answers. */
export const carryOut = async (generator: Generator, plan: Plan): Promise<string[]> => {
  await generator.prepare({ ...plan, keepAnswers: true })
  return (await generator.go()).answers
}
