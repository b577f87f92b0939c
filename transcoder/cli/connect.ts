// Which deployment a command speaks to, and as whom.
import { type ApiClient, createApiClient } from './api-client.ts';
import { localHome, mintToken, readLocalSecrets, readLocalUrl } from './local-stack.ts';
import { UsageError } from './usage.ts';

/** `REELAY_URL` and `REELAY_TOKEN` point at a deployment; without them the local stack is meant. */
export async function connect(signal: AbortSignal): Promise<ApiClient> {
  const home = localHome();
  const url = process.env.REELAY_URL ?? (await readLocalUrl(home));
  if (!url)
    throw new UsageError('there is no local stack; run npm start, or set REELAY_URL and REELAY_TOKEN');
  if (process.env.REELAY_TOKEN) return createApiClient(url, process.env.REELAY_TOKEN, { signal });
  const secrets = process.env.REELAY_URL ? undefined : await readLocalSecrets(home);
  if (!secrets) throw new UsageError('set REELAY_TOKEN to a bearer token of that deployment');
  return createApiClient(url, mintToken(secrets, 'admin', 'local'), { signal });
}
