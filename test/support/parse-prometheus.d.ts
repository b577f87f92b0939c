// The parser comes without types.
declare module 'parse-prometheus-text-format' {
  type Sample = { value?: string; labels?: Record<string, string> };
  export type Family = { name: string; help: string; type: string; metrics: Sample[] };
  // biome-ignore lint/style/noDefaultExport: it is what the package has
  export default function parsePrometheusTextFormat(text: string): Family[];
}
