export function Page() {
  return <h1>Metrics</h1>;
}
