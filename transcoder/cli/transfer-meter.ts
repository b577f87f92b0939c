// Speed and time left of a transfer, over the last seconds: steady enough to read, quick enough to be true.

const WINDOW_MS = 8000;
/** Before that a speed is a guess. */
const SETTLED_MS = 1000;

export type TransferMeter = {
  /** @param sentBytes of the whole transfer, resumed bytes included */
  sample(sentBytes: number): void;
  /** Undefined until there is something to tell. */
  speedBps(): number | undefined;
  etaSeconds(): number | undefined;
};

/** @param alreadySentBytes sent by an earlier run: they count as done, not as fast */
export function createTransferMeter(
  totalBytes: number,
  alreadySentBytes: number,
  nowMs: () => number = () => performance.now(),
): TransferMeter {
  const samples = [{ atMs: nowMs(), bytes: alreadySentBytes }];
  const speedBps = () => {
    const elapsedMs = nowMs() - samples[0]!.atMs;
    if (elapsedMs < SETTLED_MS) return undefined;
    // A part that failed takes its bytes back; that is no negative speed.
    return Math.max(0, ((samples.at(-1)!.bytes - samples[0]!.bytes) / elapsedMs) * 1000);
  };
  return {
    sample: (sentBytes) => {
      const atMs = nowMs();
      samples.push({ atMs, bytes: sentBytes });
      while (samples.length > 2 && atMs - samples[1]!.atMs >= WINDOW_MS) samples.shift();
    },
    speedBps,
    etaSeconds: () => {
      const speed = speedBps();
      const leftBytes = totalBytes - samples.at(-1)!.bytes;
      return speed ? leftBytes / speed : undefined;
    },
  };
}

/** `12.4 MB of 3.1 GB, 24.1 MB/s, 2 min 8 s left`; pure over the meter. */
export function transferNote(meter: TransferMeter, sentBytes: number, totalBytes: number): string {
  const speed = meter.speedBps();
  const eta = meter.etaSeconds();
  const parts = [`${formatBytes(sentBytes)} of ${formatBytes(totalBytes)}`];
  if (speed !== undefined) parts.push(`${formatBytes(speed)}/s`);
  if (eta !== undefined) parts.push(`${formatSeconds(eta)} left`);
  return parts.join(', ');
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

export function formatSeconds(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
