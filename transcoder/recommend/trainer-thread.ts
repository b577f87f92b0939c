// Training has a thread of its own, so that heartbeats and the health server go on while it computes.
import { parentPort, workerData } from 'node:worker_threads';
import { AppError } from '../../shared/errors.ts';
import { type BuildOptions, buildModel, type Model } from './build-model.ts';
import { InteractionReader } from './interactions.ts';

export type TrainerMessage = { part: Uint8Array } | 'finish';
export type TrainerAnswer = { model: Model } | { failure: { code?: string; detail: string } } | 'read';

const reader = new InteractionReader();

async function answerTo(message: TrainerMessage): Promise<TrainerAnswer> {
  try {
    if (message === 'finish') {
      return { model: await buildModel(reader.finish(), workerData as BuildOptions) };
    }
    reader.addPart(message.part);
    return 'read';
  } catch (error) {
    // An AppError's class does not survive the way between threads.
    if (error instanceof AppError) return { failure: { code: error.code, detail: error.detail ?? '' } };
    return { failure: { detail: String(error) } };
  }
}

parentPort?.on('message', async (message: TrainerMessage) => {
  parentPort?.postMessage(await answerTo(message));
});
