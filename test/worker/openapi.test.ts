// The document and the routes are one: whatever the app answers is described, and whatever is described it answers.
import { SELF } from 'cloudflare:test';
import Ajv2020 from 'ajv/dist/2020.js';
import { beforeAll, describe, expect, it } from 'vitest';
import { ERRORS } from '../../shared/errors.ts';
import { type OpenApiDocument, openApiDocument } from '../../shared/openapi/document.ts';
import { createApp } from '../../worker/app.ts';
import { ORIGIN } from './api-client.ts';
import { unanswered, undescribed } from './openapi-routes.ts';

describe('the OpenAPI document', () => {
  let document: OpenApiDocument;
  beforeAll(async () => {
    const response = await SELF.fetch(`${ORIGIN}/openapi.json`);
    expect(response.status).toBe(200);
    document = await response.json();
  });

  it('describes every route of the app but those that are named as left out', () => {
    expect(undescribed(createApp().routes)).toEqual([]);
  });

  it('describes nothing that the app does not answer', () => {
    expect(unanswered(createApp().routes)).toEqual([]);
  });

  it('sees a route that is not described, and a description without a route', () => {
    const { routes } = createApp();
    const handler = routes[0]!.handler;
    const more = [...routes, { basePath: '/', method: 'GET', path: '/v1/new/:id', handler }];
    expect(undescribed(more)).toContain('GET /v1/new/{id}');
    const fewer = routes.filter(({ path }) => path !== '/v1/jobs/:id/retry');
    expect(unanswered(fewer)).toContain('POST /v1/jobs/{id}/retry');
  });

  it('names each operation once and refers to nothing that is not there', () => {
    const text = JSON.stringify(document);
    const ids = [...text.matchAll(/"operationId":"(\w+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const names = new Set(Object.keys(document.components.schemas));
    const references = [...text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(
      ([, name]) => name!,
    );
    expect(references.filter((name) => !names.has(name))).toEqual([]);
    // A name that nothing refers to is one that was forgotten.
    expect([...names].filter((name) => !references.includes(name))).toEqual([]);
  });

  it('has schemas that a validator takes, and the origin it is asked at', () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ $id: 'api', components: document.components });
    for (const name of Object.keys(document.components.schemas)) {
      expect(typeof ajv.compile({ $ref: `api#/components/schemas/${name}` })).toBe('function');
    }
    expect(document.servers).toEqual([{ url: ORIGIN }]);
  });

  it('gives each failure its status and the codes of the one table', () => {
    const operation = openApiDocument('').paths['/v1/uploads/{id}/content']!.put!;
    const conflict = JSON.stringify(operation.responses['409']);
    expect(conflict).toContain('upload_part_in_progress');
    expect(conflict).not.toContain('upload_expired');
    expect(operation.responses['410']?.description).toContain(ERRORS.upload_expired.title);
  });
});

describe('the page of the API', () => {
  it('has every operation, no script, and a policy that allows none', async () => {
    const response = await SELF.fetch(`${ORIGIN}/docs`);
    const text = await response.text();
    expect(response.headers.get('Content-Type')).toMatch(/^text\/html/);
    const operations = Object.values(openApiDocument('').paths).flatMap((path) => Object.values(path));
    expect(operations.length).toBeGreaterThan(70);
    expect(operations.filter(({ operationId }) => !text.includes(`<article id="${operationId}">`))).toEqual(
      [],
    );
    expect(text).not.toContain('<script');
    const policy = response.headers.get('Content-Security-Policy') ?? '';
    const [, nonce] = /style-src 'nonce-([^']+)'/.exec(policy) ?? [];
    expect(policy).toContain("default-src 'none'");
    expect(text).toContain(`<style nonce="${nonce}">`);
    expect(text).not.toMatch(/(src|href)="https?:/);
  });

  it('gives two visitors different nonces', async () => {
    const policyOf = async () => (await SELF.fetch(`${ORIGIN}/docs`)).headers.get('Content-Security-Policy');
    expect(await policyOf()).not.toBe(await policyOf());
  });
});
