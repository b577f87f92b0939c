// `reelay token`: one bearer token on stdout and nothing else, so that it can be used in $(…).
import { parseArgs } from 'node:util';
import { Role } from '../../shared/api.ts';
import { localHome, mintToken, readLocalSecrets } from './local-stack.ts';
import { UsageError } from './usage.ts';

export async function tokenCommand(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: { role: { type: 'string' }, sub: { type: 'string', default: 'local' } },
  });
  const role = Role.safeParse(values.role);
  if (!role.success) throw new UsageError('--role is one of admin, uploader, viewer');
  const secrets = await readLocalSecrets(localHome());
  if (!secrets) {
    console.error('reelay: there is no local stack yet; run npm start first');
    return 1;
  }
  console.log(mintToken(secrets, role.data, values.sub));
  return 0;
}
