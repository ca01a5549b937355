/** Ends the process, saying how to start it instead, when the runtime is older than what the plane runs on. */
export const requireNode = (): void => {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > 24 || (major === 24 && minor >= 21)) return
  console.error(
    `Node ${process.versions.node} is too old, 24.21.0 is needed: start this through npm (npm test, npm run …)`,
  )
  process.exit(2)
}
