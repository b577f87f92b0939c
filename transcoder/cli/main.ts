// The `reelay` command. Exit codes: 0 done, 1 failed, 2 called wrongly.
import { certifyCommand } from './certify-command.ts';
import { tokenCommand } from './token-command.ts';
import { uploadCommand } from './upload-command.ts';
import { USAGE, UsageError } from './usage.ts';

const COMMANDS: Record<string, (args: string[]) => Promise<number>> = {
  certify: certifyCommand,
  // Its S3 client takes longer to load than most commands to run.
  migrate: async (args) => (await import('./migrate-command.ts')).migrateCommand(args),
  token: tokenCommand,
  upload: uploadCommand,
};

export async function main([name = '', ...args]: string[]): Promise<number> {
  const isHelp = ['help', '--help', '-h'].includes(name);
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (isHelp || !command) {
    if (isHelp) console.log(USAGE);
    else console.error(USAGE);
    return isHelp ? 0 : 2;
  }
  try {
    return await command(args);
  } catch (error) {
    if (!isUsageError(error)) throw error;
    console.error(`reelay: ${error.message}`);
    return 2;
  }
}

/** Ours, and what node:util says of unknown options. */
function isUsageError(error: unknown): error is Error {
  const code = (error as NodeJS.ErrnoException).code;
  return error instanceof UsageError || code?.startsWith('ERR_PARSE_ARGS') === true;
}
