/** Says on standard error what is going on, with the seconds since the start. */
export const startTelling = () => {
  const started = performance.now()
  const seconds = () => (performance.now() - started) / 1000
  return {
    seconds,
    tell: (text: string): void => console.error(`${seconds().toFixed(0).padStart(4)} s  ${text}`),
  }
}
