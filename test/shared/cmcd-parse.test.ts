// What real players send, to the letter: hls.js 1.7.4 and Shaka 5.2.12 as Chromium sent it, Media3 as its own tests
// expect it of its header and query modes.
import { describe, expect, it } from 'vitest';
import { appOf } from '../../shared/cmcd-record.ts';
import { cmcdOf, recordOf } from '../../worker/watch/cmcd-parse.ts';

const SID = '6e2fb550-c457-11e9-bb97-0800200c9a66';
const HLS_SESSION = `cid="film",sf=h,sid="${SID}",st=v`;

type Sent = { name: string; query?: string; headers?: Record<string, string> };

function requestOf({ name, query, headers = {} }: Sent): Request {
  return new Request(`https://a.test/p/token/hls/movies/1/g/${name}${query ? `?CMCD=${query}` : ''}`, {
    headers,
  });
}

function recordFrom(sent: Sent, userAgent: string | null = null) {
  const data = cmcdOf(requestOf(sent));
  return data && recordOf(data, { sessionId: 's', name: sent.name, atMs: 1 }, userAgent);
}

const KNOWN = { sessionId: 's', atMs: 1 };

describe('CMCD of', () => {
  it('hls.js is read from its query', () => {
    const query =
      'bl%3D3900%2Cbr%3D800%2Ccid%3D%22film%22%2Cd%3D2000%2Cdl%3D3900%2Cmtp%3D21600%2Cnor%3D%22..%252Ft%252Fstream_240p_003.m4s%22%2Cot%3Dv%2Crtp%3D4000%2Csf%3Dh%2Csid%3D%226e2fb550-c457-11e9-bb97-0800200c9a66%22%2Cst%3Dv';
    expect(recordFrom({ name: 'stream_240p_002.m4s', query })).toEqual({
      ...{ ...KNOWN, segment: 2, rung: '240p', durationMs: 2000 },
      ...{ bitrateKbps: 800, throughputKbps: 21_600, bufferMs: 3900 },
    });
  });

  it('hls.js is read from its headers', () => {
    const headers = {
      'CMCD-Status': 'rtp=4000',
      'CMCD-Object': 'br=800,d=2000,ot=v',
      'CMCD-Session': HLS_SESSION,
      'CMCD-Request': 'bl=0,dl=0,mtp=800,nor="..%2Ft%2Fstream_240p_001.m4s",su',
    };
    expect(recordFrom({ name: 'stream_240p_000.m4s', headers })).toEqual({
      ...{ ...KNOWN, segment: 0, rung: '240p', durationMs: 2000, isUrgent: true },
      ...{ bitrateKbps: 800, throughputKbps: 800, bufferMs: 0 },
    });
    const playlist = {
      'CMCD-Object': 'br=800,ot=m',
      'CMCD-Request': 'mtp=800,su',
      'CMCD-Session': HLS_SESSION,
    };
    expect(recordFrom({ name: 'stream_240p.m3u8', headers: playlist })).toEqual({
      ...{ ...KNOWN, bitrateKbps: 800, throughputKbps: 800, isUrgent: true },
    });
  });

  it('Shaka is read from its query', () => {
    const query =
      'bl%3D5900%2Cbr%3D800%2Ccid%3D%22film%22%2Cd%3D2000%2Cdl%3D5900%2Cot%3Dv%2Crtp%3D1300%2Csf%3Dh%2Csid%3D%226e2fb550-c457-11e9-bb97-0800200c9a66%22%2Cst%3Dv%2Ctb%3D800';
    expect(recordFrom({ name: 'stream_240p_003.m4s', query })).toEqual({
      ...{ ...KNOWN, segment: 3, rung: '240p', durationMs: 2000, bitrateKbps: 800, bufferMs: 5900 },
    });
  });

  it('Shaka is read from its headers', () => {
    const headers = {
      'CMCD-Status': 'rtp=16000',
      'CMCD-Object': 'br=800,d=2000,ot=v,tb=800',
      'CMCD-Session': HLS_SESSION,
      'CMCD-Request': 'dl=0,nor="..%2Ft%2Fstream_240p_003.m4s",su',
    };
    expect(recordFrom({ name: 'stream_240p_002.m4s', headers })).toEqual({
      ...{ ...KNOWN, segment: 2, rung: '240p', durationMs: 2000, bitrateKbps: 800, isUrgent: true },
    });
  });

  it('Shaka, which looks into segments before it plays them, tells no place then', () => {
    const query = `cid%3D%22film%22%2Cd%3D0%2Csf%3Dh%2Csid%3D%22${SID}%22%2Cst%3Dv%2Csu`;
    expect(recordFrom({ name: 'stream_240p_003.m4s', query })).toEqual({
      ...KNOWN,
      durationMs: 0,
      isUrgent: true,
    });
  });

  it('Media3 is read from its headers', () => {
    const headers = {
      'CMCD-Object': 'br=840,d=3000,key-1=1,key-2-separated-by-multiple-hyphens=2,tb=1000',
      'CMCD-Request': 'bl=1800,dl=900,key-3="stringValue1,stringValue2",mtp=500,su',
      'CMCD-Session': 'cid="mediaId",pr=2.00,sf=d,sid="sessionId",st=l',
      'CMCD-Status': 'bs,key-4="stringValue3=stringValue4",rtp=1700',
    };
    const userAgent = 'Films/3.2.1 (Linux;Android 14) AndroidXMedia3/1.8.0';
    expect(recordFrom({ name: 'audio_en_004.m4s', headers }, userAgent)).toEqual({
      ...{ ...KNOWN, segment: 4, isSound: true, app: 'Films/3.2.1', durationMs: 3000, bitrateKbps: 840 },
      ...{ throughputKbps: 500, bufferMs: 1800, rate: 2, isUrgent: true, isStarved: true },
    });
  });

  it('Media3 is read from its query', () => {
    const text =
      'bl=1800,br=840,bs,cid="mediaId",d=3000,dl=900,mtp=500,ot=v,pr=2.00,rtp=1700,sf=d,sid="sessionId",st=l,su,tb=1000';
    expect(recordFrom({ name: 'stream_720p_001.m4s', query: encodeURIComponent(text) })).toEqual({
      ...{ ...KNOWN, segment: 1, rung: '720p', durationMs: 3000, bitrateKbps: 840 },
      ...{ throughputKbps: 500, bufferMs: 1800, rate: 2, isUrgent: true, isStarved: true },
    });
  });

  it('version 2 is read too, which sends lists', () => {
    const query = encodeURIComponent('bl=(2100),br=(3200;v 128;a),mtp=(9000),ot=v,v=2');
    expect(recordFrom({ name: 'stream_720p_001.m4s', query })).toMatchObject({
      ...{ bufferMs: 2100, bitrateKbps: 3200, throughputKbps: 9000 },
    });
  });

  it('no player is nothing, and of a mistake only the mistake is lost', () => {
    expect(recordFrom({ name: 'stream_720p_001.m4s' })).toBeUndefined();
    const headers = { 'CMCD-Object': 'br=(((', 'CMCD-Request': 'bl=2100,mtp=-5', 'CMCD-Status': 'bs="no"' };
    expect(recordFrom({ name: 'stream_720p_001.m4s', headers })).toEqual({
      ...{ ...KNOWN, segment: 1, rung: '720p', bufferMs: 2100 },
    });
    for (const query of ['%ff%fe', '%22', 'br%3D9e99', 'a'.repeat(100_000), 'bl%3D99999999999']) {
      expect(recordFrom({ name: 'stream_720p_001.m4s', query })?.bufferMs).toBeUndefined();
    }
  });
});

describe('an app', () => {
  it.each([
    ['Films/3.2.1 (Linux;Android 14) AndroidXMedia3/1.8.0', 'Films/3.2.1'],
    [
      'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36',
      'Chrome/156',
    ],
    [
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1',
      'Safari/18',
    ],
    ['Mozilla/5.0 (X11; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox/140'],
    ['x'.repeat(500), 'x'.repeat(64)],
    ['', ''],
    [null, ''],
  ])('of %s is %s', (userAgent, app) => {
    expect(appOf(userAgent)).toBe(app);
  });
});
