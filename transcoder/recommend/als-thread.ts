// A thread that helps with the half steps of a training until it is terminated.
import { parentPort, workerData } from 'node:worker_threads';
import { type HalfStep, type SharedTraining, solveTakenRanges } from './alternate.ts';

const training = workerData as SharedTraining;
parentPort?.on('message', (step: HalfStep) => {
  solveTakenRanges(training, step);
  parentPort?.postMessage('solved');
});
