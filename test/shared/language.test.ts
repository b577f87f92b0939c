import { describe, expect, it } from 'vitest';
import { languageLabel, languageTag } from '../../shared/language.ts';

describe('language tags', () => {
  it.each([
    ['eng', 'en', 'English'],
    ['es', 'es', 'Spanish'],
    ['ger', 'de', 'German'],
    ['fre', 'fr', 'French'],
    ['pt-BR', 'pt', 'Portuguese'],
    ['EN_us', 'en', 'English'],
    ['haw', 'haw', 'Hawaiian'],
    ['und', 'und', 'Audio'],
    ['mul', 'und', 'Audio'],
    [undefined, 'und', 'Audio'],
    ['', 'und', 'Audio'],
    ['../../etc', 'und', 'Audio'],
    ['e"n', 'und', 'Audio'],
    ['english', 'und', 'Audio'],
    ['qaa', 'qaa', 'qaa'],
  ])('makes %j into %s, called %s', (declared, tag, label) => {
    expect(languageTag(declared)).toBe(tag);
    expect(languageLabel(tag)).toBe(label);
  });
});
