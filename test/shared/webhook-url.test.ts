import { describe, expect, it } from 'vitest';
import { AppError } from '../../shared/errors.ts';
import { checkWebhookUrl } from '../../shared/webhook-url.ts';

function verdict(url: string, allowLoopback = false): string {
  try {
    return checkWebhookUrl(url, { allowLoopback }).href;
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
}

describe('the URL of a webhook', () => {
  it.each([
    ['https://hooks.example.com/a?b=c', 'https://hooks.example.com/a?b=c'],
    ['https://hooks.example.com:443/', 'https://hooks.example.com/'],
    ['https://hooks.example.com./#part', 'https://hooks.example.com./'],
  ])('may be %s', (url, href) => {
    expect(verdict(url)).toBe(href);
  });

  it.each([
    ...['127.0.0.1', '10.0.0.7', '192.168.1.1', '172.16.0.1', '169.254.169.254', '100.64.0.1', '0.0.0.0'],
    ...['2130706433', '0x7f000001', '0177.0.0.1', '127.1', '0x7f.1', '127.0.0.1.', '8.8.8.8'],
    ...[
      '[::1]',
      '[::]',
      '[fe80::1]',
      '[fd00::1]',
      '[::ffff:127.0.0.1]',
      '[::ffff:7f00:1]',
      '[64:ff9b::7f00:1]',
    ],
    ...['[2002:7f00:1::]', '１２７.0.0.1', '127。0。0。1', '%31%32%37.0.0.1'],
    ...[
      'localhost',
      'LOCALHOST.',
      'a.localhost',
      'printer',
      'nas.local',
      'metadata.google.internal',
      'router.lan',
    ],
  ])('does not name a host in a private network, nor any bare address: %s', (host) => {
    expect(verdict(`https://${host}/`)).toBe('webhook_address_refused');
  });

  it.each([
    ['http://hooks.example.com/'],
    ['ftp://hooks.example.com/'],
    ['https://hooks.example.com:8443/'],
    ['https://user:secret@hooks.example.com/'],
    ['https:hooks.example.com'],
    ['https:\\\\hooks.example.com/'],
    ['https://hooks.example.com/a b'],
    ['https://hooks.exa\tmple.com/'],
    ['//hooks.example.com/'],
    ['https://[fe80::1%25eth0]/'],
    ['hooks'],
  ])('is not %j', (url) => {
    expect(verdict(url)).toBe('webhook_url_invalid');
  });

  it('may be of this very machine where a setting says so', () => {
    expect(verdict('http://127.0.0.1:9000/hook', true)).toBe('http://127.0.0.1:9000/hook');
    expect(verdict('http://127.0.0.1:9000/hook')).toBe('webhook_url_invalid');
    expect(verdict('https://127.0.0.1:9000/hook')).toBe('webhook_address_refused');
    expect(verdict('http://10.0.0.7/', true)).toBe('webhook_url_invalid');
    expect(verdict('https://10.0.0.7/', true)).toBe('webhook_address_refused');
  });
});
