import { describe, expect, it } from 'vitest';
import { chaptersVtt, keptChapters } from '../../shared/chapters.ts';
import { plainTitle, safeCueText } from '../../shared/cue-text.ts';
import { decodeText } from '../../shared/text-decoding.ts';
import { parseSubtitles, writeWebVtt } from '../../shared/webvtt.ts';

function codeOf(act: () => unknown): string {
  try {
    act();
    return 'no error';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe('reading subtitles', () => {
  it('understands WebVTT with identifiers, settings, notes and styles', () => {
    const text = [
      'WEBVTT - a title',
      '',
      'STYLE\n::cue { color: red }',
      '',
      'NOTE 00:00 is no cue',
      '',
      'intro',
      '00:01.000 --> 00:02.500 line:0 align:start region:x position:10%,line-left',
      'Hello',
      'there',
      '',
      '01:00:00.000 --> 01:00:01.000',
      'Later',
    ].join('\n');
    expect(parseSubtitles(text)).toEqual([
      {
        startMs: 1000,
        endMs: 2500,
        settings: 'line:0 align:start position:10%,line-left',
        text: 'Hello\nthere',
      },
      { startMs: 3_600_000, endMs: 3_601_000, settings: '', text: 'Later' },
    ]);
  });

  it('understands SRT as it is found: byte order mark, CRLF, short times, missing blank lines', () => {
    const text =
      '\uFEFF1\r\n0:00:05,5 --> 0:00:06,000 X1:10\r\n{\\an8}Second\r\n2\r\n00:00:01,000 --> 00:00:02,000\r\nFirst\r\n';
    expect(parseSubtitles(text)).toEqual([
      { startMs: 1000, endMs: 2000, settings: '', text: 'First' },
      { startMs: 5500, endMs: 6000, settings: 'line:0', text: 'Second' },
    ]);
  });

  it.each([
    ['a text without cues', 'WEBVTT\n\nNOTE nothing here\n', 'subtitles_invalid'],
    ['a cue without text', '1\n00:00:01,000 --> 00:00:02,000\n\n', 'subtitles_invalid'],
    ['a cue that runs backwards', '1\n00:00:02,000 --> 00:00:01,000\nText\n', 'subtitles_invalid'],
    ['a timing with letters', '1\n00:00:0x,000 --> 00:00:02,000\nText\n', 'subtitles_invalid'],
    ['a cue', '1\n00:00:01,000 --> 00:00:02,000\nText\n', 'no error'],
  ])('answers %s', (_what, text, code) => {
    expect(codeOf(() => parseSubtitles(text))).toBe(code);
  });

  it('takes linear time over a hostile text', () => {
    const hostile = `1\n00:00:01,000 --> 00:00:02,000\n${'<b '.repeat(300_000)}\n`;
    expect(parseSubtitles(hostile)).toHaveLength(1);
  });
});

describe('the text of a cue', () => {
  it.each([
    ['<b>bold</b> and <i>it</i>', '<b>bold</b> and <i>it</i>'],
    ['<script>alert(1)</script>', 'alert(1)'],
    ['<img src=x onerror="go()">text', 'text'],
    ['<font color="red">red</font>', 'red'],
    ['<b>open', '<b>open</b>'],
    ['</i>never opened', 'never opened'],
    ['<b><i>crossed</b></i>', '<b><i>crossed</i></b>'],
    ['<v.loud Mary "M" & Co>Hi', '<v Mary "M" &amp; Co>Hi</v>'],
    ['<c.yellow>one <00:00:01.000>two</c>', 'one two'],
    ['1 < 2 & 3 > 2 &amp; &lt;', '1 &lt; 2 &amp; 3 &gt; 2 &amp; &lt;'],
    ['a --> b', 'a --&gt; b'],
    ['one\n\n \ntwo\u0000\u001b', 'one\ntwo'],
    ['{\\an8\\fs20}top', 'top'],
  ])('%j becomes %j', (raw, safe) => {
    expect(safeCueText(raw)).toBe(safe);
  });

  it('stays what it is when it is read again', () => {
    for (const raw of ['<v A & B>x < y', '<ruby>漢<rt>kan</ruby>', '& < >', '<b><v x>']) {
      const safe = safeCueText(raw);
      expect(safeCueText(safe)).toBe(safe);
    }
  });
});

describe('writing WebVTT', () => {
  const cue = { startMs: 1000, endMs: 2000, settings: '', text: 'Text' };

  it('keeps to the duration of the video', () => {
    const cues = [cue, { ...cue, startMs: 9000, endMs: 12_000 }, { ...cue, startMs: 10_000, endMs: 11_000 }];
    expect(writeWebVtt(cues, 10)).toBe(
      'WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nText\n\n00:00:09.000 --> 00:00:10.000\nText\n',
    );
    expect(writeWebVtt([cue], 0.5)).toBeUndefined();
  });

  it('is read back as it was', () => {
    const cues = [
      { ...cue, settings: 'line:10%' },
      { ...cue, startMs: 360_000_123, endMs: 360_001_999 },
    ];
    expect(parseSubtitles(writeWebVtt(cues, 1e6)!)).toEqual(cues);
  });
});

describe('bytes of subtitles', () => {
  const word = 'Grüße 00:00';
  const utf16 = (littleEndian: boolean) =>
    Uint8Array.from([...word].flatMap((c) => (littleEndian ? [c.charCodeAt(0), 0] : [0, c.charCodeAt(0)])));

  it.each([
    ['UTF-8', new TextEncoder().encode(word)],
    ['Latin-1', Uint8Array.from(word, (c) => c.charCodeAt(0))],
    ['UTF-16 with a mark', Uint8Array.from([0xff, 0xfe, ...utf16(true)])],
    ['big-endian UTF-16 with a mark', Uint8Array.from([0xfe, 0xff, ...utf16(false)])],
    ['UTF-16 without one', utf16(true)],
    ['big-endian UTF-16 without one', utf16(false)],
  ])('in %s are text', (_name, bytes) => {
    expect(decodeText(bytes)).toBe(word);
  });

  it('that are none are refused', () => {
    expect(codeOf(() => decodeText(Uint8Array.from([1, 2, 3, 4])))).toBe('subtitles_invalid');
    expect(codeOf(() => decodeText(Uint8Array.from([9, 10, 13, 65])))).toBe('no error');
  });
});

describe('chapters', () => {
  it('are put in order, into the video, and named', () => {
    const chapters = keptChapters(
      [
        { startSeconds: 5, endSeconds: 99, title: '  End\u0000 <b> ' },
        { startSeconds: -1, endSeconds: 5, title: ' ' },
        { startSeconds: 12, endSeconds: 13, title: 'Too late' },
      ],
      10,
    );
    expect(chapters).toEqual([
      { startSeconds: 0, endSeconds: 5, title: 'Chapter 1' },
      { startSeconds: 5, endSeconds: 10, title: 'End <b>' },
    ]);
    expect(chaptersVtt(chapters, 10)).toBe(
      'WEBVTT\n\n00:00:00.000 --> 00:00:05.000\nChapter 1\n\n00:00:05.000 --> 00:00:10.000\nEnd &lt;b&gt;\n',
    );
  });

  it('have titles cut between characters', () => {
    expect(plainTitle('ab😀', 3)).toBe('ab');
    expect(plainTitle('ab😀', 4)).toBe('ab😀');
    expect(plainTitle('\u202e \n', 9)).toBeUndefined();
  });
});
