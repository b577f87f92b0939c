// What an MPD says of Common Encryption (ISO/IEC 23009-1 §5.8.4.1, DASH-IF IOP part 6 §8): the scheme with its key
// id, and ClearKey with where its licence is.
import { LICENSE_REFERENCE, type PlannedProtection, uuidOf } from './protection.ts';
import { element, emptyElement } from './xml.ts';

/** DASH-IF's name for ClearKey. https://dashif.org/identifiers/content_protection/ */
const CLEAR_KEY = 'urn:uuid:e2719d58-a985-b3c9-781a-b030af78d30e';

const OPEN = '<dashif:Laurl Lic_type="EME-1.0">';
const CLOSE = '</dashif:Laurl>';

/** Attributes of the MPD element that the lines below need. */
export function protectionNamespaces(protection: PlannedProtection | undefined): Record<string, string> {
  if (protection?.scheme !== 'cenc') return {};
  return { 'xmlns:cenc': 'urn:mpeg:cenc:2013', 'xmlns:dashif': 'https://dashif.org/CPS' };
}

/** Children of each adaptation set whose media is encrypted. */
export function contentProtection(protection: PlannedProtection | undefined): string[] {
  if (protection?.scheme !== 'cenc') return [];
  const common = {
    schemeIdUri: 'urn:mpeg:dash:mp4protection:2011',
    value: 'cenc',
    'cenc:default_KID': uuidOf(protection.keyId),
  };
  return [
    `      ${emptyElement('ContentProtection', common)}`,
    `      ${element('ContentProtection', { schemeIdUri: CLEAR_KEY, value: 'ClearKey1.0' })}`,
    `        ${OPEN}${LICENSE_REFERENCE}${CLOSE}`,
    '      </ContentProtection>',
  ];
}

/** The MPD with the URL in full: players ask for it as it stands, as if it were relative to their own page. */
export function withLicenseUrl(manifest: string, url: string): string {
  return manifest.replaceAll(OPEN + LICENSE_REFERENCE + CLOSE, () => OPEN + url + CLOSE);
}
