/** For `catch`: a file of a moment, or one that was deleted since it was listed, is undefined. */
export function unlessGone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
