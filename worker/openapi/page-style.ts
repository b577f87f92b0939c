// The style of the page of the API.
export const PAGE_STYLE = `
:root { color-scheme: light dark; --line: light-dark(#d0d7de, #3d444d); --soft: light-dark(#f3f5f7, #171c22);
  --text: light-dark(#1b2026, #e6eaee); --link: light-dark(#0a58ca, #79b8ff); --back: light-dark(#ffffff, #0e1116); }
* { box-sizing: border-box; }
body { margin: 0; font: 1rem/1.55 system-ui, sans-serif; color: var(--text); background: var(--back);
  display: grid; grid-template: "head head" auto "nav main" 1fr / 19rem minmax(0, 1fr); }
header { grid-area: head; padding: 1.5rem 2rem; border-bottom: 1px solid var(--line); }
header p { max-width: 75ch; margin: 0.25rem 0; }
h1 { margin: 0; } h1 small { font-size: 1rem; font-weight: normal; }
nav { grid-area: nav; padding: 0 1rem 2rem 2rem; border-right: 1px solid var(--line); position: sticky; top: 0;
  height: 100vh; overflow: auto; }
nav h2 { font-size: 1rem; margin: 1.25rem 0 0.25rem; }
nav ul { list-style: none; margin: 0; padding: 0; }
nav li { margin: 0.35rem 0; font-size: 0.9rem; line-height: 1.35; }
main { grid-area: main; padding: 0 2rem 4rem; }
article { border-top: 1px solid var(--line); padding: 0.5rem 0 1.5rem; scroll-margin-top: 1rem; }
article p, dd { max-width: 80ch; }
h3 { margin: 1rem 0 0.25rem; } h4 { margin: 1rem 0 0.25rem; }
a { color: var(--link); } a:focus-visible, pre:focus-visible, .scroll:focus-visible { outline: 3px solid var(--link); }
code, pre { font: 0.875rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
.route code { background: var(--soft); padding: 0.3rem 0.5rem; border-radius: 4px; }
pre { background: var(--soft); padding: 0.75rem; border-radius: 6px; overflow: auto; max-height: 30rem; margin: 0.5rem 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; min-width: 30rem; }
th, td { text-align: left; vertical-align: top; padding: 0.35rem 1rem 0.35rem 0; border-bottom: 1px solid var(--line); }
tbody th { font-weight: normal; white-space: nowrap; }
dl { display: grid; grid-template-columns: 3.5rem minmax(0, 1fr); gap: 0.25rem 0.75rem; margin: 0; }
dt { font-weight: 600; } dd { margin: 0; } dd p { margin: 0; }
.skip { position: absolute; left: -100rem; } .skip:focus { left: 1rem; top: 1rem; background: var(--back); padding: 0.5rem; }
@media (max-width: 50rem) {
  body { display: block; } header, main { padding-inline: 1rem; }
  nav { position: static; height: auto; border-right: 0; padding: 0 1rem; }
}
`;
