import { describe, expect, test, vi } from 'vitest';
import { createLog, redact } from '../../shared/log.ts';
import { parseSigningKeys, signToken } from '../../shared/sign.ts';

const KEYS = parseSigningKeys(`k1:${'s'.repeat(32)}`);

describe('a log line', () => {
  test('is one JSON text with the event first, its bound ids and its fields', () => {
    const written = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    createLog({ requestId: 'r1' }).with({ jobId: 'j1' }).warn('task.lapsed', { epoch: 2 });
    const text = String(written.mock.calls[0]?.[0]);
    written.mockRestore();
    expect(text.startsWith('{"event":"task.lapsed"')).toBe(true);
    expect(JSON.parse(text)).toMatchObject({ level: 'warn', requestId: 'r1', jobId: 'j1', epoch: 2 });
  });

  test('never carries a token of ours, whatever it is for and wherever it stands', async () => {
    for (const purpose of ['play', 'job', 'watch'] as const) {
      const token = await signToken(purpose, { sid: 'x', exp: 1 }, KEYS);
      const text = `GET https://h/p/${token}/hls/videos/v/g/master.m3u8 #t=${token} said "${token}"`;
      expect(redact(text)).toBe(
        'GET https://h/p/[token]/hls/videos/v/g/master.m3u8 #t=[token] said "[token]"',
      );
    }
  });

  test.each([
    ['Authorization: Bearer abc.def-ghi', 'Authorization: Bearer [redacted]'],
    ['jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln at', 'jwt [token] at'],
    [`key rk_${'0'.repeat(32)}_${'A'.repeat(43)}`, 'key [key]'],
    [
      'https://h/o?partNumber=1&X-Amz-Signature=abc&x=1',
      'https://h/o?partNumber=1&X-Amz-Signature=[redacted]&x=1',
    ],
    ['/v1/jobs/j/events?ticket=abc', '/v1/jobs/j/events?ticket=[redacted]'],
    ['v1.2.3 of hls.js, stream_720p_000.m4s', 'v1.2.3 of hls.js, stream_720p_000.m4s'],
  ])('says of %s only what may be read', (text, expected) => {
    expect(redact(text)).toBe(expected);
  });
});
