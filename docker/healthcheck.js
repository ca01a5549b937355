/**
 * Ends with 0 when an HTTP listener of this container answers 200, with 1 otherwise.
 *
 *     node healthcheck.js [URL]     the health listener where nothing else is said: port 8080, /health
 */
const [url = 'http://127.0.0.1:8080/health'] = process.argv.slice(2)
try {
  const response = await fetch(url, { signal: AbortSignal.timeout(4000) })
  console.log(response.status, (await response.text()).slice(0, 200).trim())
  process.exitCode = response.status === 200 ? 0 : 1
} catch (error) {
  console.log(error instanceof Error && error.cause instanceof Error ? error.cause.message : error)
  process.exitCode = 1
}
