// One thing a person does that the API answers: under way, refused, or done.
import { useState } from 'react';
import { asFailure } from '../api.ts';
import type { ApiFailure } from '../api-client.ts';

export type Action = {
  isBusy: boolean;
  failure: ApiFailure | undefined;
  /** @returns whether it was done */
  run(work: () => Promise<unknown>): Promise<boolean>;
  clear(): void;
};

export function useAction(): Action {
  const [isBusy, setIsBusy] = useState(false);
  const [failure, setFailure] = useState<ApiFailure>();
  return {
    isBusy,
    failure,
    run: async (work) => {
      setIsBusy(true);
      setFailure(undefined);
      try {
        await work();
        return true;
      } catch (error) {
        setFailure(asFailure(error));
        return false;
      } finally {
        setIsBusy(false);
      }
    },
    clear: () => setFailure(undefined),
  };
}
