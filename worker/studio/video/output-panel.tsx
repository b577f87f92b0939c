// What was made of the original: renditions and sounds with their sizes, and what that cost.
import type { Job, RenditionInfo, Video } from '../../../shared/api.ts';
import type { Receipt, ReceiptRung } from '../../../shared/receipt.ts';
import { bitrateText, bytesText, spanText } from '../ui/amounts.ts';
import { Empty } from '../ui/notice.tsx';
import { Table } from '../ui/table.tsx';

type Props = { video: Video };

export function OutputPanel({ video }: Props) {
  const { renditions, audio, job } = video;
  const receipt = job?.receipt;
  if (renditions.length + audio.length === 0) {
    return (
      <Empty title="Nothing is published yet">
        <p>
          Renditions are listed here with their sizes and bitrates as soon as they are checked and published.
        </p>
      </Empty>
    );
  }
  return (
    <div className="stack video-panel">
      {renditions.length > 0 ? <Renditions renditions={renditions} receipt={receipt} /> : null}
      {audio.length > 0 ? <Sounds audio={audio} /> : null}
      {job && receipt ? <ReceiptFacts job={job} receipt={receipt} /> : null}
    </div>
  );
}

type Row = RenditionInfo & { rung: ReceiptRung | undefined };

function Renditions({ renditions, receipt }: { renditions: RenditionInfo[]; receipt: Receipt | undefined }) {
  const rows: Row[] = renditions
    .map((one) => ({ ...one, rung: receipt?.rungs.find(({ name }) => name === one.name) }))
    .toSorted((a, b) => b.width * b.height - a.width * a.height);
  return (
    <Table<Row>
      caption="Renditions"
      rows={rows}
      keyOf={({ name }) => name}
      columns={[
        { head: 'Quality', cell: ({ name }) => <strong>{name}</strong> },
        { head: 'Picture', cell: ({ width, height }) => `${width} × ${height}` },
        { head: 'Codec', cell: ({ codecs }) => <code>{codecs}</code> },
        { head: 'Average', isEnd: true, cell: ({ averageBandwidthBps }) => bitrateText(averageBandwidthBps) },
        { head: 'Peak', isEnd: true, cell: ({ bandwidthBps }) => bitrateText(bandwidthBps) },
        { head: 'Size', isEnd: true, cell: ({ rung }) => (rung ? bytesText(rung.sizeBytes) : '–') },
        { head: 'Likeness', isEnd: true, cell: ({ rung }) => likenessText(rung) },
      ]}
    />
  );
}

/** Structural similarity to the original, in per cent. */
function likenessText(rung: ReceiptRung | undefined): string {
  return rung?.ssim ? `${(100 * rung.ssim.mean).toFixed(1)}%` : '–';
}

function Sounds({ audio }: { audio: Video['audio'] }) {
  return (
    <Table
      caption="Sound"
      rows={audio}
      keyOf={({ name }) => name}
      columns={[
        { head: 'Sound', cell: ({ label, isDefault }) => `${label}${isDefault ? ' (first choice)' : ''}` },
        { head: 'Language', cell: ({ language }) => language },
        { head: 'Channels', cell: ({ channels }) => channelsText(channels) },
        { head: 'Codec', cell: ({ codecs }) => <code>{codecs}</code> },
        { head: 'Average', isEnd: true, cell: ({ averageBandwidthBps }) => bitrateText(averageBandwidthBps) },
      ]}
    />
  );
}

function channelsText(channels: number): string {
  if (channels === 1) return 'Mono';
  if (channels === 2) return 'Stereo';
  return channels === 6 ? '5.1' : String(channels);
}

function ReceiptFacts({ job, receipt }: { job: Job; receipt: Receipt }) {
  const { cpuSeconds, rungs, trial } = receipt;
  const { queuedSeconds, runningSeconds } = job.timings;
  const videoBytes = rungs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const left = trial?.rungs.filter(({ isKept }) => !isKept) ?? [];
  const facts: [string, string | undefined][] = [
    ['Picture and sound', `${bytesText(videoBytes)} and ${bytesText(receipt.audioBytes)}`],
    ['Against constant bitrates', savedText(receipt)],
    ['Processor time', `${spanText(cpuSeconds.video + cpuSeconds.audio + cpuSeconds.sampling)}`],
    ['Encoder', `${receipt.encoder}, ${receipt.preset}`],
    ['Waited, then ran', bothText(queuedSeconds, runningSeconds)],
    ['Speed', speedText(receipt.durationSeconds, runningSeconds)],
    ['Left out as needless', left.length > 0 ? left.map(({ name }) => name).join(', ') : undefined],
  ];
  return (
    <section className="stack video-receipt" aria-labelledby="receipt-title">
      <h3 id="receipt-title">Receipt</h3>
      <dl className="facts">
        {facts.flatMap(([name, value]) =>
          value === undefined
            ? []
            : [
                <dt key={`${name}-name`}>{name}</dt>,
                <dd key={name} className="numbers">
                  {value}
                </dd>,
              ],
        )}
      </dl>
    </section>
  );
}

function savedText({ savedPercent, fixedBitrateBytes }: Receipt): string {
  const share = `${Math.abs(savedPercent).toFixed(1)}%`;
  return `${share} ${savedPercent < 0 ? 'more' : 'less'} than ${bytesText(fixedBitrateBytes)}`;
}

function bothText(queuedSeconds: number | undefined, runningSeconds: number | undefined): string | undefined {
  if (runningSeconds === undefined) return undefined;
  return `${spanText(queuedSeconds ?? 0)}, then ${spanText(runningSeconds)}`;
}

function speedText(durationSeconds: number, runningSeconds: number | undefined): string | undefined {
  if (!runningSeconds) return undefined;
  return `${(durationSeconds / runningSeconds).toFixed(1)} × real time`;
}
