import { describe, expect, it } from 'vitest';
import { AppError, ERRORS, isErrorCode, isMediaError, problemOf } from '../../shared/errors.ts';

describe('the error table', () => {
  it.each(Object.entries(ERRORS))('has a failure status and a title for %s', (code, { status, title }) => {
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(600);
    expect(title.length).toBeGreaterThan(5);
    expect(title).not.toMatch(/\.$/);
    expect(code).toMatch(/^[a-z]+(_[a-z0-9]+)*$/);
  });

  it('answers a media verdict with 422 and no retry', () => {
    const media = Object.entries(ERRORS).filter(([code]) => isMediaError(code as keyof typeof ERRORS));
    expect(media.length).toBeGreaterThan(10);
    expect(new Set(media.map(([, { status, retry }]) => `${status} ${retry}`))).toEqual(
      new Set(['422 never']),
    );
  });

  it('knows its own codes and no inherited names', () => {
    expect(isErrorCode('not_found')).toBe(true);
    expect(isErrorCode('toString')).toBe(false);
    expect(isErrorCode(404)).toBe(false);
  });
});

describe('a problem document', () => {
  it('carries code, status, detail and request id', () => {
    const error = new AppError('media_too_long', {
      detail: 'It lasts 13 hours.',
      extra: { limitSeconds: 43_200 },
    });
    expect(problemOf(error, 'r1')).toEqual({
      type: 'https://reelay.dev/errors/media_too_long',
      title: 'The video is longer than allowed',
      status: 422,
      code: 'media_too_long',
      detail: 'It lasts 13 hours.',
      requestId: 'r1',
      limitSeconds: 43_200,
    });
  });

  it('lets no particular override a standard member', () => {
    const error = new AppError('not_found', { extra: { status: 200, code: 'ok' } });
    expect(problemOf(error, 'r1')).toMatchObject({ status: 404, code: 'not_found' });
  });

  it('keeps the cause out of what a client sees', () => {
    const error = new AppError('internal', { cause: new Error('secret path') });
    expect(error.cause).toBeInstanceOf(Error);
    expect(JSON.stringify(problemOf(error, 'r1'))).not.toContain('secret');
  });
});
