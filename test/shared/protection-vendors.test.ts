// What an operator says of a vendor of licences.
import { describe, expect, it } from 'vitest';
import { fillHeaders, parseDrmVendor, sendsKey } from '../../shared/protection-vendors.ts';

const SECRET = 'a-secret-of-ours';
const vendor = (more: object = {}) =>
  JSON.stringify({ url: 'https://licenses.example.com/wv', headers: { 'X-Key': SECRET }, ...more });

describe('a vendor of licences', () => {
  it('is its URL and headers; the rest has defaults', () => {
    expect(parseDrmVendor(vendor())).toEqual({
      ...{ url: 'https://licenses.example.com/wv', headers: { 'X-Key': SECRET } },
      ...{ checksKeyIds: true, timeoutSeconds: 10 },
    });
  });

  it.each([
    ['no JSON', '{', /is not JSON/],
    ['http', vendor({ url: 'http://licenses.example.com/' }), /https/],
    ['a bare address', vendor({ url: 'https://169.254.169.254/' }), /bare address/],
    ['a private host', vendor({ url: 'https://drm.internal/' }), /private network/],
    ['another port', vendor({ url: 'https://licenses.example.com:8443/' }), /port 443/],
    ['a password', vendor({ url: 'https://a:b@licenses.example.com/' }), /password/],
    ['an unknown field', vendor({ headers: { 'X-A': '{password}' } }), /braces/],
    ['a header of the connection', vendor({ headers: { Host: 'elsewhere' } }), /cannot be set/],
    ['no name of a header', vendor({ headers: { 'X A': 'a' } }), /no name/],
    ['two lines', vendor({ headers: { 'X-A': 'a\r\nX-B: b' } }), /printable/],
    ['a wrong name', vendor({ adress: 'x' }), /adress/],
    ['more time', vendor({ timeoutSeconds: 11 }), /timeoutSeconds/],
    ['trust in nothing', vendor({ checksKeyIds: false }), /checksKeyIds/],
  ])('is refused with %s, without a word of its headers', (_, text, complaint) => {
    expect(() => parseDrmVendor(text)).toThrow(complaint);
    expect(() => parseDrmVendor(text)).not.toThrow(SECRET);
  });

  it('may be trusted with what its headers name', () => {
    for (const field of ['keyId', 'key', 'videoId', 'contentId']) {
      const headers = { 'X-Content': `id={${field}}` };
      expect(parseDrmVendor(vendor({ checksKeyIds: false, headers })).checksKeyIds).toBe(false);
    }
    const headers = { 'X-Viewer': '{viewerId}' };
    expect(() => parseDrmVendor(vendor({ checksKeyIds: false, headers }))).toThrow(/checksKeyIds/);
  });
});

describe('the headers of a vendor', () => {
  const fields = {
    ...{ keyId: 'k', key: 'secret', videoId: 'v', contentId: 'c', viewerId: 'an na\r\nX: {key}\ud800' },
    ...{ sessionId: 's', deviceId: '', country: 'DE', expiresAt: '1' },
  };

  it('are filled in, and what a viewer is called stays in its place', () => {
    const filled = fillHeaders({ A: '{viewerId};{keyId}', B: 'plain {} {0}' }, fields);
    expect(filled).toEqual({ A: 'an%20na%0D%0AX%3A%20%7Bkey%7D%EF%BF%BD;k', B: 'plain {} {0}' });
  });

  it('take the key along only where they say so', () => {
    expect(sendsKey({ headers: { A: '{keyId}', B: 'x{key}' } })).toBe(true);
    expect(sendsKey({ headers: { A: '{keyId} key' } })).toBe(false);
  });
});
