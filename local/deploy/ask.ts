// Questions at the terminal; answers that are secrets are not shown while they are typed.
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';

export type Ask = {
  /** False where nobody can answer. */
  isInteractive: boolean;
  secret(question: string): Promise<string>;
  confirm(question: string): Promise<boolean>;
};

export function terminalAsk({ isUnattended }: { isUnattended: boolean }): Ask {
  return {
    isInteractive: !isUnattended && process.stdin.isTTY === true,
    secret: (question) => askOne(question, { isHidden: true }),
    async confirm(question) {
      const answer = await askOne(`${question} [Y/n] `, { isHidden: false });
      return !/^n/i.test(answer);
    },
  };
}

async function askOne(question: string, { isHidden }: { isHidden: boolean }): Promise<string> {
  const prompt = `  ${question}`;
  // Nothing typed is shown, so the prompt is not readline's either.
  if (isHidden) process.stdout.write(prompt);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({
    input: process.stdin,
    output: isHidden ? nowhere : process.stdout,
    terminal: true,
  });
  // In raw mode the terminal does not end us by itself.
  lines.once('SIGINT', () => process.exit(130));
  try {
    return (await lines.question(isHidden ? '' : prompt)).trim();
  } finally {
    lines.close();
    if (isHidden) process.stdout.write('\n');
  }
}
