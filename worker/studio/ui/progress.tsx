import type { ReactNode } from 'react';

/** `percent` undefined: under way, nobody knows how far. */
export function Progress({
  label,
  percent,
  note,
  isLabelShown = true,
}: {
  label: string;
  percent: number | undefined;
  note?: ReactNode;
  isLabelShown?: boolean;
}) {
  return (
    <div className="progress">
      {isLabelShown ? (
        <div className="progress-line">
          <span>{label}</span>
          <span>{note ?? (percent === undefined ? '' : `${Math.floor(percent)}%`)}</span>
        </div>
      ) : null}
      <progress
        className="progress-bar"
        aria-label={label}
        max={100}
        {...(percent === undefined ? {} : { value: percent })}
      />
    </div>
  );
}
