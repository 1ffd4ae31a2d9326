/** A promise with a time limit. */

/** Resolves to `late` when `ms` have passed first, else as `work`, which goes on in any case; a rejection after that is nobody's. */
export const within = async <T, L>(ms: number, work: Promise<T>, late: L): Promise<T | L> => {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<L>((resolve) => {
    timer = setTimeout(resolve, Math.max(0, ms), late);
  });
  try {
    return await Promise.race([work, over]);
  } finally {
    clearTimeout(timer);
  }
};
