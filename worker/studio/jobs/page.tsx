export function Page() {
  return <h1>Jobs</h1>;
}
