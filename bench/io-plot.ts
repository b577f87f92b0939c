// One small line plot as SVG: both axes from zero or in equal steps, a name at the end of each line.

export type Plot = {
  title: string;
  xLabel: string;
  yLabel: string;
  /** Equal steps on the x axis, whatever they stand for. */
  steps: string[];
  lines: { name: string; values: number[]; isDashed?: boolean }[];
};

const WIDTH = 640;
const HEIGHT = 300;
const LEFT = 56;
const RIGHT = 170;
const TOP = 50;
const BOTTOM = 48;
/** Told apart in light and dark pages, and without colours by their names. */
const COLOURS = ['#2f7de1', '#d9730d', '#2a9d5c', '#8a63d2'];
const GREY = '#808a96';

export function svgOf(plot: Plot): string {
  const top = niceTop(Math.max(...plot.lines.flatMap(({ values }) => values)));
  const x = (index: number) => LEFT + (index * (WIDTH - LEFT - RIGHT)) / Math.max(1, plot.steps.length - 1);
  const y = (value: number) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM);
  const grid = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const at = y(share * top).toFixed(1);
    return `<path d="M${LEFT} ${at}H${WIDTH - RIGHT}" stroke="${GREY}" stroke-opacity=".3"/>${text(LEFT - 8, at, short(share * top), 'end')}`;
  });
  const ticks = plot.steps.map((step, index) => text(x(index), HEIGHT - BOTTOM + 18, step, 'middle'));
  const ends = spread(plot.lines.map(({ values }) => y(values.at(-1) ?? 0)));
  const lines = plot.lines.map(({ name, values, isDashed }, index) => {
    const colour = COLOURS[index % COLOURS.length];
    const points = values.map((value, step) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
    const dash = isDashed ? ' stroke-dasharray="6 4"' : '';
    return `<polyline points="${points}" fill="none" stroke="${colour}" stroke-width="2"${dash}/>${text(WIDTH - RIGHT + 8, ends[index] ?? 0, name, 'start', colour)}`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${plot.title}" font-family="system-ui, sans-serif" font-size="12">
${text(LEFT, 18, plot.title, 'start', GREY, ' font-weight="600"')}
${[...grid, ...ticks].join('\n')}
${text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, plot.xLabel, 'middle')}
${text(LEFT, TOP - 14, plot.yLabel, 'start')}
${lines.join('\n')}
</svg>
`;
}

function text(
  x: number,
  y: number | string,
  content: string,
  anchor: 'start' | 'middle' | 'end',
  fill = GREY,
  more = '',
): string {
  return `<text x="${x.toFixed(1)}" y="${Number(y).toFixed(1)}" dominant-baseline="middle" text-anchor="${anchor}" fill="${fill}"${more}>${content}</text>`;
}

/** 1, 2 or 5 times a power of ten. */
function niceTop(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5, 10].find((step) => step * power >= value) ?? 10) * power;
}

function short(value: number): string {
  return value >= 10 ? value.toFixed(0) : value.toFixed(1);
}

/** Names of lines that end close together are moved apart. */
function spread(ends: number[]): number[] {
  const order = ends.map((y, index) => ({ y, index })).toSorted((a, b) => a.y - b.y);
  for (const [place, end] of order.entries()) {
    const above = order[place - 1];
    if (above) end.y = Math.max(end.y, above.y + 15);
  }
  return ends.map((_, index) => order.find((end) => end.index === index)?.y ?? 0);
}
