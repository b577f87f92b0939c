import { SELF } from 'cloudflare:test';
import { legacyContract } from '../support/legacy-contract.ts';
import { clientOf, ORIGIN } from './api-client.ts';

legacyContract('the Worker', async () => {
  const client = await clientOf('uploader');
  return {
    request: async (method, path, { body, headers = {} } = {}) => {
      const { Authorization, ...rest } = headers;
      if (Authorization === undefined)
        return client.call(method, path, { headers: rest, ...(body && { body }) });
      const own = { ...rest, ...(Authorization && { Authorization }) };
      return (await SELF.fetch(ORIGIN + path, { method, headers: own, ...(body && { body }) })) as never;
    },
    api: (path) => client.call('GET', path),
  };
});
