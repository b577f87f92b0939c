// A few at once, in order; the first failure ends the rest.

export async function eachOfSome<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  let isOver = false;
  const lane = async () => {
    for (let next = queue.shift(); next !== undefined && !isOver; next = queue.shift()) {
      await work(next).catch((error: unknown) => {
        isOver = true;
        throw error;
      });
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: atOnce }, lane));
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed) throw failed.reason;
}
