// The OpenAPI document as one page: no script, no font, nothing from elsewhere.
import { html, raw } from 'hono/html';
import type { Body, DocumentedOperation, OpenApiDocument, Parameter } from '../../shared/openapi/document.ts';
import { PAGE_STYLE } from './page-style.ts';
import { schemaText } from './schema-text.ts';

type Markup = ReturnType<typeof html>;
type Entry = { method: string; path: string; operation: DocumentedOperation };

export function documentPage(document: OpenApiDocument, nonce: string): Markup {
  const entries = entriesOf(document);
  const { title, version, description } = document.info;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} API</title>
<style nonce="${nonce}">${raw(PAGE_STYLE)}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the operations</a>
<header>
<h1>${title} API <small>${version}</small></h1>
<p>${inline(description)}</p>
<p>At <code>${document.servers[0]?.url ?? ''}</code>; for programs: <a href="/openapi.json">openapi.json</a>.</p>
</header>
<nav aria-label="Operations">
${document.tags.map(({ name }) => index(name, entries))}
<h2><a href="#schemas">Schemas</a></h2>
</nav>
<main id="content">
${document.tags.map(({ name, description: about }) => section(name, about, entries))}
<section aria-labelledby="schemas">
<h2 id="schemas">Schemas</h2>
${Object.entries(document.components.schemas).map(
  ([name, schema]) =>
    html`<article id="schema-${name}"><h3>${name}</h3><pre tabindex="0">${schemaText(schema)}</pre></article>`,
)}
</section>
</main>
</body>
</html>`;
}

function entriesOf({ paths }: OpenApiDocument): Entry[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
}

function index(tag: string, entries: Entry[]): Markup {
  const its = entries.filter(({ operation }) => operation.tags.includes(tag));
  return html`<h2>${tag}</h2>
<ul>
${its.map(({ operation }) => html`<li><a href="#${operation.operationId}">${operation.summary}</a></li>`)}
</ul>`;
}

function section(tag: string, about: string, entries: Entry[]): Markup {
  const id = `tag-${tag.toLowerCase().replaceAll(' ', '-')}`;
  const its = entries.filter(({ operation }) => operation.tags.includes(tag));
  return html`<section aria-labelledby="${id}">
<h2 id="${id}">${tag}</h2>
<p>${about}</p>
${its.map(article)}
</section>`;
}

function article({ method, path, operation }: Entry): Markup {
  const { operationId, summary, description, parameters = [], requestBody, responses } = operation;
  return html`<article id="${operationId}">
<h3>${summary}</h3>
<p class="route"><code><b>${method}</b> ${path}</code></p>
<p>${inline(description)}</p>
${parameters.length > 0 ? parameterTable(parameters, summary) : ''}
${requestBody ? html`<h4>Body${requestBody.required ? '' : ' (may be absent)'}</h4>${body(requestBody)}` : ''}
<h4>Answers</h4>
<dl>
${Object.entries(responses).map(([status, answer]) => html`<dt>${status}</dt><dd>${response(status, answer)}</dd>`)}
</dl>
</article>`;
}

function parameterTable(parameters: Parameter[], summary: string): Markup {
  return html`<div class="scroll" tabindex="0" role="group" aria-label="Parameters: ${summary}"><table>
<thead><tr><th scope="col">Parameter</th><th scope="col">In</th><th scope="col">Takes</th></tr></thead>
<tbody>
${parameters.map(
  ({ name, in: place, required, schema, description = '' }) =>
    html`<tr><th scope="row"><code>${name}</code>${required ? ' (required)' : ''}</th><td>${place}</td><td>${description ? inline(description) : html`<code>${schemaText(schema)}</code>`}</td></tr>`,
)}
</tbody>
</table></div>`;
}

function response(status: string, answer: Body): Markup {
  // A failure says its codes in words; its schema is the same everywhere.
  return Number(status) >= 400 ? html`${inline(answer.description)}` : body(answer);
}

function body({ description, content = {} }: Body): Markup {
  const [type, { schema = {} } = {}] = Object.entries(content)[0] ?? [];
  if (type === undefined) return html`<p>${description}</p>`;
  const { $ref } = schema as { $ref?: string };
  if ($ref !== undefined) {
    const name = $ref.split('/').at(-1);
    return html`<p><a href="#schema-${name}">${name}</a></p>`;
  }
  if (Object.keys(schema).length === 0) return html`<p><code>${type}</code> ${description}</p>`;
  return html`<pre tabindex="0">${schemaText(schema)}</pre>`;
}

/** Text in which `code` is marked by backticks. */
function inline(text: string): Markup[] {
  return text.split('`').map((piece, at) => (at % 2 === 1 ? html`<code>${piece}</code>` : html`${piece}`));
}
