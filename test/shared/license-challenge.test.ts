// Which challenges go to a vendor: those for the keys of the session's own video, and no others.
import { describe, expect, it } from 'vitest';
import { protobuf } from '../../shared/protobuf.ts';
import { playReadyKeyId, playReadyPssh, widevinePssh } from '../../shared/pssh.ts';
import { asksOnlyFor } from '../../worker/playback/license-challenge.ts';
import {
  playReadyChallenge,
  WIDEVINE_CERTIFICATE_REQUEST,
  widevineChallenge,
  widevineContent,
  widevineInitData,
  widevineRequest,
} from '../support/challenges.ts';

const OURS = '00112233445566778899aabbccddeeff';
const THEIRS = 'ffeeddccbbaa99887766554433221100';
const widevine = (challenge: Uint8Array) => asksOnlyFor('com.widevine.alpha', challenge, [OURS]);
const playReady = (challenge: Uint8Array) => asksOnlyFor('com.microsoft.playready', challenge, [OURS]);
const kid = (keyId: string) => `<KID>${playReadyKeyId(keyId)}</KID>`;
const valueKid = (keyId: string) => `<KIDS><KID ALGID="AESCTR" VALUE="${playReadyKeyId(keyId)}"/></KIDS>`;
const boxOf = (keyId: string) => widevinePssh({ keyIds: [keyId] });

describe('a challenge of Widevine', () => {
  it.each([
    ['the data of a box', widevineChallenge],
    ['a whole box', (keyId: string) => widevineRequest(widevineInitData(boxOf(keyId)))],
    ['our key twice', (keyId: string) => widevineRequest(widevineContent([OURS, keyId]))],
    ['another list of data', (keyId: string) => widevineRequest(widevineContent([OURS], [keyId]))],
    [
      'another content',
      (keyId: string) => widevineRequest(widevineContent([OURS]), widevineContent([keyId])),
    ],
    [
      'both forms',
      (keyId: string) => widevineRequest(widevineContent([OURS]), widevineInitData(boxOf(keyId))),
    ],
  ])('that names its key by %s is passed on for that key alone', (_, challengeFor) => {
    expect(widevine(challengeFor(OURS))).toBe(true);
    expect(widevine(challengeFor(THEIRS))).toBe(false);
  });

  it('for the certificate of the service names no key and needs none', () => {
    expect(widevine(WIDEVINE_CERTIFICATE_REQUEST)).toBe(true);
    // One that carries a request besides is no such thing.
    const request = protobuf([{ number: 2, value: widevineContent([THEIRS]) }]);
    const both = protobuf([
      { number: 1, value: 4 },
      { number: 2, value: request },
    ]);
    expect(widevine(both)).toBe(false);
  });

  it('that names its content in another way, or no content, is not passed on', () => {
    const renewal = protobuf([{ number: 3, value: protobuf([{ number: 1, value: 'an earlier request' }]) }]);
    const byContentId = widevinePssh({ keyIds: [], provider: 'studio', contentId: 'film-8' });
    const contents = [
      [renewal],
      [widevineContent([OURS]), renewal],
      [widevineContent([])],
      [widevineInitData(byContentId)],
      [widevineInitData(playReadyPssh(OURS))],
      [widevineInitData(boxOf(OURS).subarray(0, 40))],
      [],
    ];
    for (const content of contents) expect(widevine(widevineRequest(...content))).toBe(false);
    expect(widevine(widevineRequest(widevineInitData(boxOf(OURS))))).toBe(true);
  });

  it('that is none is not passed on', () => {
    const whole = widevineChallenge(OURS);
    for (const length of [1, 2, 10, whole.length - 1])
      expect(widevine(whole.subarray(0, length))).toBe(false);
    expect(widevine(playReadyChallenge(OURS))).toBe(false);
    expect(widevine(whole)).toBe(true);
  });

  it('cannot name two types, of which a vendor might read the other', () => {
    const [type, ...rest] = [
      { number: 1, value: 4 },
      { number: 1, value: 1 },
    ];
    const request = { number: 2, value: protobuf([{ number: 2, value: widevineContent([OURS]) }]) };
    expect(widevine(protobuf([...rest, request]))).toBe(true);
    expect(widevine(protobuf([type!, ...rest, request]))).toBe(false);
  });
});

describe('a challenge of PlayReady', () => {
  it.each([
    ['an element', kid],
    ['an attribute', valueKid],
    ['an element beside ours', (keyId: string) => kid(OURS) + kid(keyId)],
    ['an element with spaces', (keyId: string) => `<KID >\n ${playReadyKeyId(keyId)} </KID>`],
    ['a prefixed element', (keyId: string) => `${kid(OURS)}<p:KID>${playReadyKeyId(keyId)}</p:KID>`],
    [
      'an attribute on ours',
      (keyId: string) => `<KID VALUE='${playReadyKeyId(keyId)}'>${playReadyKeyId(OURS)}</KID>`,
    ],
  ])('that names its key by %s is passed on for that key alone', (_, kidFor) => {
    expect(playReady(playReadyChallenge(OURS, kidFor(OURS)))).toBe(true);
    expect(playReady(playReadyChallenge(OURS, kidFor(THEIRS)))).toBe(false);
  });

  it.each([
    ['no key', ''],
    ['an empty one', '<KID></KID>'],
    ['an entity', `<KID>&#${playReadyKeyId(OURS).charCodeAt(0)};${playReadyKeyId(OURS).slice(1)}</KID>`],
    ['ours, with a comment', `${kid(OURS)}<!-- -->`],
    ['ours, with a CDATA section', `${kid(OURS)}<X><![CDATA[]]></X>`],
  ])('that names %s is not passed on', (_, element) => {
    expect(playReady(playReadyChallenge(OURS, element))).toBe(false);
    expect(playReady(playReadyChallenge(OURS, kid(OURS)))).toBe(true);
  });

  it('that asks for something else than a licence is not passed on', () => {
    const text = new TextDecoder().decode(playReadyChallenge(OURS));
    const bytes = (other: string) => new TextEncoder().encode(other);
    expect(playReady(bytes(text.replaceAll('AcquireLicense', 'JoinDomain')))).toBe(false);
    expect(playReady(bytes(text))).toBe(true);
    expect(asksOnlyFor('org.w3.clearkey', bytes(text), [OURS])).toBe(false);
  });
});
