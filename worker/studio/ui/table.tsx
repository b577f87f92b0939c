import type { ReactNode } from 'react';

export type Column<T> = {
  head: string;
  cell(row: T): ReactNode;
  /** Numbers and buttons stand at the end. */
  isEnd?: boolean;
  /** The heading is read aloud and not shown. */
  isHeadSpoken?: boolean;
};

export function Table<T>({
  caption,
  columns,
  rows,
  keyOf,
}: {
  /** Read aloud, not shown. */
  caption: string;
  columns: Column<T>[];
  rows: T[];
  keyOf(row: T): string;
}) {
  return (
    // Wider than a phone: it scrolls, also by keyboard.
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls has to take the focus
    <section className="table-frame" aria-label={caption} tabIndex={0}>
      <table className="table table-stacked">
        <caption className="spoken">{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ head, isEnd, isHeadSpoken }) => (
              <th key={head} scope="col" className={isEnd ? 'end' : undefined}>
                {isHeadSpoken ? <span className="spoken">{head}</span> : head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map(({ head, cell, isEnd }) => (
                <td key={head} data-head={head} className={isEnd ? 'end numbers' : undefined}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
