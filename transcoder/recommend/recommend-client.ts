// The Worker's internal API for training runs. Every call but the export may be repeated, and that one only writes
// a further part.
import {
  ExportAnswer,
  RecommendClaim,
  type RecommendFailure,
  RecommendHeartbeatAnswer,
} from '../../shared/recommend-api.ts';
import type { ModelSummary } from '../../shared/recommend-model.ts';
import { createInternalCalls, type LedgerAddress } from '../ledger-client.ts';

export type RecommendClient = {
  claim(workerId: string, signal?: AbortSignal): Promise<RecommendClaim | undefined>;
  run(jobToken: string): TrainingCalls;
};

/** Calls about one claimed run. All throw AppError `lease_lost` once it is someone else's. */
export type TrainingCalls = {
  /** Not repeated by itself. */
  heartbeat(): Promise<{ leaseSeconds: number }>;
  /** Has the Worker write the next part of the export. */
  exportPart(): Promise<ExportAnswer>;
  done(summary: ModelSummary): Promise<void>;
  fail(failure: RecommendFailure): Promise<void>;
  release(): Promise<void>;
};

export function createRecommendClient(address: LedgerAddress): RecommendClient {
  const { post, insist } = createInternalCalls(address);
  return {
    async claim(workerId, signal) {
      const answer = await insist('recommend/claim', address.secret, { workerId }, signal);
      return answer === undefined ? undefined : RecommendClaim.parse(answer);
    },

    run(claimedToken) {
      let token = claimedToken;
      return {
        async heartbeat() {
          const answer = RecommendHeartbeatAnswer.parse(await post('recommend/heartbeat', token, {}));
          token = answer.jobToken;
          return { leaseSeconds: answer.leaseSeconds };
        },
        exportPart: async () => ExportAnswer.parse(await insist('recommend/export', token, {})),
        done: async (summary) => void (await insist('recommend/done', token, { summary })),
        fail: async (failure) => void (await insist('recommend/fail', token, failure)),
        release: async () => void (await insist('recommend/release', token, {})),
      };
    },
  };
}
