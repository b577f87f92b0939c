export function Page() {
  return <h1>Video</h1>;
}
