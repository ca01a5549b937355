import { setFlagsFromString } from 'node:v8'

/**
 * V8's nursery, where what is new is collected often. It doubles whenever much of what is in it survives, as all does while
 * modules are loaded, to 3 × 16 MB, and is never given back: a process that starts would keep some 25 MB for nothing.
 * V8 reads the factor each time, so it may change while it runs. Released, the nursery grows when there is work for it.
 */
export const holdNursery = (): void => setFlagsFromString('--semi-space-growth-factor=1')

export const releaseNursery = (): void => setFlagsFromString('--semi-space-growth-factor=2')
