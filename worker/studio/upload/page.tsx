export function Page() {
  return <h1>Upload</h1>;
}
