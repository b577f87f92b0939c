// What this machine remembers of a deployment: secrets it generated, and what only the first run knows. Ignored by
// git, readable by the user alone.
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writePrivate } from '../home.ts';
import { ROOT } from '../setup/run.mjs';

const Remembered = z.object({
  accountId: z.string().optional(),
  /** Where the Worker is reached, as it was last deployed. */
  url: z.string().optional(),
  hasContainers: z.boolean().default(false),
  secrets: z.record(z.string(), z.string()).default({}),
});
export type Remembered = z.infer<typeof Remembered>;

export type DeployHome = {
  read(): Promise<Remembered>;
  /** What is named replaces what was there. */
  remember(part: Partial<Remembered>): Promise<void>;
  /** Configuration of the deployed Worker. Beside wrangler.toml, so that paths in it mean the same. */
  overlayFile: string;
  /** CORS rules on their way to wrangler. */
  corsFile: string;
  /** What `wrangler deploy` says of itself, for programs. */
  outputFile: string;
  /** Variables of transcoders that run elsewhere; compose.yaml reads them. */
  transcoderEnvFile: string;
  writePrivate(path: string, text: string): Promise<void>;
};

export function deployHome(
  directory = process.env.REELAY_DEPLOY_HOME ?? join(ROOT, '.reelay/deploy'),
  overlayFile = 'wrangler.deploy.json',
): DeployHome {
  const file = join(directory, 'deployment.json');
  const write = async (path: string, text: string) => {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await writePrivate(path, text);
  };
  const read = async () => {
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '{}';
      throw error;
    });
    return Remembered.parse(JSON.parse(text));
  };
  return {
    read,
    async remember(part) {
      await write(file, `${JSON.stringify({ ...(await read()), ...part }, null, 2)}\n`);
    },
    overlayFile,
    corsFile: join(directory, 'r2-cors.json'),
    outputFile: join(directory, 'wrangler-output.ndjson'),
    transcoderEnvFile: join(directory, 'transcoder.env'),
    writePrivate: write,
  };
}
