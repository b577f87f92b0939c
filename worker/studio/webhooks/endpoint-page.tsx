export function Page() {
  return <h1>Webhooks</h1>;
}
