// Uppy's dashboard, put into the page while it is shown.
import Dashboard, { type DashboardOptions } from '@uppy/dashboard';
import '@uppy/core/css/style.min.css';
import '@uppy/dashboard/css/style.min.css';
import type { Body, Meta } from '@uppy/core';
import { useEffect, useRef } from 'react';
import { useTheme } from '../ui/theme.ts';
import { KINDS, PROTECTIONS, VISIBILITIES } from './choices.ts';
import type { Uploader } from './uploader.ts';

type MetaField = Extract<NonNullable<DashboardOptions<Meta, Body>['metaFields']>, unknown[]>[number];

const METADATA: MetaField[] = [
  { id: 'title', name: 'Title', placeholder: 'As the file is called' },
  selectField('kind', 'Kind', KINDS),
  { id: 'contentId', name: 'Content id', placeholder: 'Your own id of this title, optional' },
  selectField('visibility', 'Visibility', VISIBILITIES),
  selectField('protection', 'Protection', PROTECTIONS),
];

export function UppyDashboard({ uppy }: { uppy: Uploader }) {
  const frame = useRef<HTMLDivElement>(null);
  const [theme] = useTheme();
  const shown = theme === 'system' ? 'auto' : theme;
  // biome-ignore lint/correctness/useExhaustiveDependencies: another theme is an option, not another dashboard
  useEffect(() => {
    uppy.use(Dashboard, {
      inline: true,
      target: frame.current!,
      width: '100%',
      height: 360,
      singleFileFullScreen: false,
      theme: shown,
      proudlyDisplayPoweredByUppy: false,
      note: 'MP4, MOV, MKV, WebM, MPEG-TS … of any size. An upload goes on where it was after a reload.',
      metaFields: METADATA,
      hideProgressDetails: false,
      showRemoveButtonAfterComplete: true,
      disableThumbnailGenerator: true,
      fileManagerSelectionType: 'files',
      locale: {
        strings: { dropPasteFiles: 'Drop videos here or %{browseFiles}', browseFiles: 'choose files' },
      },
    });
    const mending = new MutationObserver(() => mendList(frame.current!));
    mending.observe(frame.current!, { childList: true, subtree: true });
    return () => {
      mending.disconnect();
      const plugin = uppy.getPlugin('Dashboard');
      if (plugin) uppy.removePlugin(plugin);
    };
  }, [uppy]);
  useEffect(() => {
    uppy.getPlugin<Dashboard<Meta, Body>>('Dashboard')?.setOptions({ theme: shown });
  }, [uppy, shown]);
  return <div ref={frame} className="upload-drop" />;
}

/** Uppy calls a single file an item of a list, and leaves the list without a role. */
function mendList(frame: HTMLElement): void {
  const list = frame.querySelector('.uppy-Dashboard-files:not([role])');
  list?.setAttribute('role', 'list');
}

function selectField(id: string, name: string, options: readonly (readonly [string, string])[]): MetaField {
  return {
    id,
    name,
    render: ({ value, onChange, fieldCSSClasses, form }, h) =>
      h(
        'select',
        {
          class: fieldCSSClasses.text,
          form,
          'aria-label': name,
          value,
          onChange: (event: Event) => onChange((event.target as HTMLSelectElement).value),
        },
        options.map(([option, text]) =>
          h('option', { value: option, selected: option === (value ?? '') }, text),
        ),
      ),
  };
}
