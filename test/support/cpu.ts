/** Milliseconds of CPU that this process has used: what a computation costs, however many share the machine. */
export const cpuTime = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
