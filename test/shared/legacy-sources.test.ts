import { describe, expect, it } from 'vitest';
import { DEFAULT_SOURCE_TEMPLATES, parseSourceTemplates, sourceKeysOf } from '../../shared/legacy-sources.ts';

describe('templates of keys', () => {
  it.each([
    ['videos/{id}-{name}.mp4', /unknown placeholder/],
    ['videos/film.mp4', /no \{id\}/],
    ['sources/{id}', /of this system itself/],
    ['{owner}/{id}.mp4', /begins like no key/],
    ['/videos/{id}.mp4', /begins like no key/],
    [Array(11).fill('videos/{id}.mp4').join(), /more than 10/],
  ])('refuse %s', (template, reason) => {
    expect(() => parseSourceTemplates(template)).toThrow(reason);
  });

  it('look at the most particular key first', () => {
    const templates = parseSourceTemplates(DEFAULT_SOURCE_TEMPLATES);
    const title = { kind: 'episode' as const, contentId: '42' };
    expect(sourceKeysOf(templates, title, 'me')).toEqual([
      'videos/episodes/42.mp4',
      'episodes/42.mp4',
      'videos/42.mp4',
    ]);
  });

  it("keep an owner's id within its folder, and may be none at all", () => {
    const title = { kind: 'movie' as const, contentId: '1' };
    expect(sourceKeysOf(parseSourceTemplates('films/{owner}/{type}/{id}'), title, 'a/../b')).toEqual([
      'films/a%2F..%2Fb/movie/1',
    ]);
    expect(parseSourceTemplates('off')).toEqual([]);
  });
});
