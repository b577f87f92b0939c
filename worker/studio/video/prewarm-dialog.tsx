// Has the beginning of the video read where it is about to be watched, and shows how far that is.
import { useEffect, useState } from 'react';
import type { Video } from '../../../shared/api.ts';
import { PREWARM_REGIONS, type PrewarmAnswer, type PrewarmRegionName } from '../../../shared/prewarm-api.ts';
import { api } from '../api.ts';
import { Badge, type Tone } from '../ui/badge.tsx';
import { Button } from '../ui/button.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { CheckField, SelectField } from '../ui/field.tsx';
import { FailureNotice } from '../ui/notice.tsx';
import { useAction } from './use-action.ts';

const NAMES: Record<PrewarmRegionName, string> = {
  wnam: 'Western North America',
  enam: 'Eastern North America',
  sam: 'South America',
  weur: 'Western Europe',
  eeur: 'Eastern Europe',
  apac: 'Asia-Pacific',
  oc: 'Oceania',
  afr: 'Africa',
  me: 'Middle East',
};
const SECONDS = [
  ['10', 'The first 10 seconds'],
  ['30', 'The first 30 seconds'],
  ['120', 'The first 2 minutes'],
  ['300', 'The first 5 minutes'],
] as const;
const TONES: Record<string, Tone> = { queued: 'neutral', running: 'busy', done: 'good', unavailable: 'bad' };
const ASK_AGAIN_MS = 1500;

export function PrewarmDialog({ video, onClose }: { video: Video; onClose(): void }) {
  const [regions, setRegions] = useState<PrewarmRegionName[]>(['weur', 'enam']);
  const [seconds, setSeconds] = useState('30');
  const [answer, setAnswer] = useState<PrewarmAnswer>();
  const action = useAction();
  const ask = async () => {
    const body = { regions, seconds: Number(seconds) };
    const path = `/v1/videos/${encodeURIComponent(video.id)}/prewarm`;
    await action.run(async () => setAnswer(await api<PrewarmAnswer>('POST', path, body)));
  };
  const isGoingOn = answer?.regions.some(({ state }) => state === 'queued' || state === 'running') ?? false;
  // biome-ignore lint/correctness/useExhaustiveDependencies: each answer asks for the next one
  useEffect(() => {
    if (!isGoingOn) return;
    // The same request tells how far it is and repeats no work.
    const timer = setTimeout(() => void ask(), ASK_AGAIN_MS);
    return () => clearTimeout(timer);
  }, [answer]);
  const toggle = (region: PrewarmRegionName, isWanted: boolean) =>
    setRegions(isWanted ? [...regions, region] : regions.filter((one) => one !== region));
  return (
    <Dialog title="Prewarm the edge" onClose={onClose}>
      <p className="quiet">
        Before a premiere: the beginning of every quality is read into the caches of these regions, so that
        the first viewers wait for nothing.
      </p>
      <fieldset className="video-checks">
        <legend className="field-label">Regions</legend>
        {PREWARM_REGIONS.map((region) => (
          <CheckField
            key={region}
            label={NAMES[region]}
            checked={regions.includes(region)}
            onChange={(event) => toggle(region, event.target.checked)}
          />
        ))}
      </fieldset>
      <SelectField
        label="How much of it"
        options={SECONDS}
        value={seconds}
        onChange={(event) => setSeconds(event.target.value)}
      />
      {answer ? (
        <ul className="video-list" aria-live="polite">
          {answer.regions.map(({ region, state, warmed, failed, total }) => (
            <li key={region} className="row spread">
              <span>{NAMES[region]}</span>
              <span className="row small quiet numbers">
                {total === undefined
                  ? ''
                  : `${warmed} of ${total} files${failed > 0 ? `, ${failed} failed` : ''}`}
                <Badge tone={TONES[state] ?? 'neutral'}>{state}</Badge>
              </span>
            </li>
          ))}
        </ul>
      ) : null}
      {action.failure ? <FailureNotice failure={action.failure} /> : null}
      <div className="dialog-actions">
        <Button onClick={onClose}>Close</Button>
        <Button
          tone="main"
          isBusy={action.isBusy || isGoingOn}
          disabled={regions.length === 0}
          onClick={() => void ask()}
        >
          Prewarm
        </Button>
      </div>
    </Dialog>
  );
}
