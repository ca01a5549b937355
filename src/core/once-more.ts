/**
 * Work that is done one at a time: whoever asks while it is under way has it done once more after that, however many ask.
 * Once `goesOn` says no, nothing further is begun. What `work` throws rejects what was asked for.
 */
export const makeOnceMore = (work: () => Promise<void>, goesOn: () => boolean) => {
  let again = false
  let working: Promise<void> | undefined

  const workThrough = async (): Promise<void> => {
    // `working` is set first, and forgotten with the last look at `again`: a wish in between would be lost.
    await undefined
    try {
      while (again && goesOn()) {
        again = false
        await work()
      }
    } finally {
      working = undefined
    }
  }

  return {
    /** Resolves when all that was asked for until then is done. */
    ask: (): Promise<void> => {
      again = true
      working ??= workThrough()
      return working
    },
    /** Resolves when what is under way has ended. */
    ended: async (): Promise<void> => working,
  }
}
