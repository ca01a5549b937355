/** How the clients of bootstrap call AWS: credentials and endpoints by the standard variables, and no endless waits. */
export const clientOptions = (region: string | undefined) => ({
  ...(region === undefined ? {} : { region }),
  maxAttempts: 4,
  // Milliseconds.
  requestHandler: { connectionTimeout: 3000, requestTimeout: 10_000 },
})
