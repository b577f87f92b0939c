// The proof that what is published plays: each check in words, with how many things it looked at.
import type { Video } from '../../../shared/api.ts';
import { api, useApi } from '../api.ts';
import { Button } from '../ui/button.tsx';
import { Empty, FailureNotice, Notice } from '../ui/notice.tsx';
import { CHECK_GROUPS, checkText } from './check-texts.ts';
import { saveBlob } from './save-original.ts';

type Certificate = { totalFrames: number; checks: { name: string; count: number }[] };

export function CertificatePanel({ video }: { video: Video }) {
  const path = `/v1/videos/${encodeURIComponent(video.id)}/certificate`;
  const isPublished = video.readyAt !== undefined;
  const { data, failure, isLoading, reload } = useApi<Certificate>(isPublished ? path : undefined);
  const broken = video.job?.error?.code === 'verification_failed' ? video.job.error.detail : undefined;
  const save = async () => {
    const text = JSON.stringify(await api<Certificate>('GET', path), null, 2);
    saveBlob(new Blob([text], { type: 'application/json' }), `certificate-${video.id}.json`);
  };
  return (
    <div className="stack video-panel">
      {broken ? <BrokenCheck detail={broken} /> : null}
      {failure ? <FailureNotice failure={failure} onRetry={() => void reload()} /> : null}
      {isPublished ? null : (
        <Empty title="No certificate yet">
          <p>Nothing is published before every claim of its manifests was held against the bytes.</p>
        </Empty>
      )}
      {isLoading ? <p className="quiet">One moment …</p> : null}
      {data ? (
        <>
          <div className="row spread">
            <Notice tone="good" title={`All ${data.checks.length} checks passed`}>
              {`${numberText(sumOf(data))} things were looked at, among them all ${numberText(data.totalFrames)} pictures.`}
            </Notice>
            <Button onClick={() => void save()}>Download as JSON</Button>
          </div>
          <Checks certificate={data} />
        </>
      ) : null}
    </div>
  );
}

function BrokenCheck({ detail }: { detail: string }) {
  const [, name = '', problem = detail] = /^([a-z0-9-]+): (.*)$/s.exec(detail) ?? [];
  return (
    <Notice tone="bad" title={`A check failed: ${checkText(name)}`}>
      <p>{problem}</p>
      <p className="quiet">The latest transcode was not published because of it.</p>
    </Notice>
  );
}

function Checks({ certificate: { checks } }: { certificate: Certificate }) {
  const listed = new Set(CHECK_GROUPS.flatMap(({ names }) => names));
  const others = checks.filter(({ name }) => !listed.has(name)).map(({ name }) => name);
  return (
    <div className="columns video-checklist">
      {[...CHECK_GROUPS, { title: 'Other', names: others }].map(({ title, names }) => {
        const found = checks.filter(({ name }) => names.includes(name));
        return found.length === 0 ? null : (
          <section key={title} className="stack">
            <h3>{title}</h3>
            <ul className="video-list">
              {found.map(({ name, count }) => (
                <li key={name} title={name}>
                  <span className="video-pass" aria-hidden="true" />
                  <span>
                    <span className="spoken">Passed: </span>
                    {checkText(name)} <span className="quiet small numbers">{numberText(count)}</span>
                  </span>
                </li>
              ))}
            </ul>
          </section>
        );
      })}
    </div>
  );
}

function sumOf({ checks }: Certificate): number {
  return checks.reduce((sum, { count }) => sum + count, 0);
}

function numberText(value: number): string {
  return value.toLocaleString('en');
}
