import { useEffect, useState } from 'react';
import { SelectField } from '../ui/field.tsx';
import { KINDS, PROTECTIONS, VISIBILITIES } from './choices.ts';
import { UppyDashboard } from './dashboard.tsx';
import { FileLine } from './file-line.tsx';
import { forgetLine, useLines } from './lines.ts';
import { type Choices, setDefaults, uploader } from './uploader.ts';

export function UploadDesk() {
  const [uppy] = useState(uploader);
  const lines = useLines(uppy);
  return (
    <div className="upload-desk">
      <div className="stack">
        <UppyDashboard uppy={uppy} />
        {lines.length > 0 ? (
          <section className="card" aria-labelledby="upload-files">
            <div className="card-head">
              <h2 id="upload-files">Files</h2>
              <span className="quiet small">{lines.length}</span>
            </div>
            <ul className="upload-lines">
              {lines.map((line) => (
                <FileLine key={line.id} line={line} onForget={() => forgetLine(uppy, line.id)} />
              ))}
            </ul>
          </section>
        ) : null}
      </div>
      <Defaults />
    </div>
  );
}

function Defaults() {
  const [choices, setChoices] = useState<Choices>({});
  useEffect(() => setDefaults(choices), [choices]);
  const set = (name: keyof Choices) => (event: { target: { value: string } }) =>
    setChoices({ ...choices, [name]: event.target.value });
  const isProtected = Boolean(choices.protection);
  return (
    <section className="card" aria-labelledby="upload-defaults">
      <div className="card-body">
        <div>
          <h2 id="upload-defaults">For the next files</h2>
          <p className="quiet small">The pencil on a file changes it for that one.</p>
        </div>
        <SelectField label="Kind" options={KINDS} value={choices.kind ?? ''} onChange={set('kind')} />
        <SelectField
          label="Visibility"
          options={VISIBILITIES}
          value={choices.visibility ?? ''}
          onChange={set('visibility')}
          hint={
            choices.visibility === 'public'
              ? 'Anybody with the address can play it.'
              : 'Playing takes a token that you hand out.'
          }
          trouble={
            isProtected && choices.visibility === 'public' ? 'A protected video cannot be public.' : undefined
          }
        />
        <SelectField
          label="Protection"
          options={PROTECTIONS}
          value={choices.protection ?? ''}
          onChange={set('protection')}
        />
      </div>
    </section>
  );
}
