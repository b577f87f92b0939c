export function Page() {
  return <h1>Migrations</h1>;
}
