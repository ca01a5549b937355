/** Where node keeps what it has made of sources, for programs that are given no other environment: each start is cheaper. */
export const compileCache: Record<string, string> =
  process.env['NODE_COMPILE_CACHE'] === undefined ? {} : { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] }
