/** Whether two secrets are the same, in a time that tells nothing of either. */
export async function equalSecrets(given: string, expected: string): Promise<boolean> {
  // Hashing first makes both sides equally long, which timingSafeEqual demands.
  const hash = (text: string) => crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return crypto.subtle.timingSafeEqual(await hash(given), await hash(expected));
}
