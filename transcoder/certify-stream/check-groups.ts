// Rendition groups of a master playlist (RFC 8216 §4.3.4.1): who is in them and who refers to them.
import type { Attributes } from '../certificate/read-manifests.ts';
import type { Findings } from './findings.ts';
import type { MasterPlaylist } from './hls-playlist.ts';

const TYPES = ['AUDIO', 'VIDEO', 'SUBTITLES', 'CLOSED-CAPTIONS'];
/** A BCP 47 tag as far as its shape goes. */
const LANGUAGE = /^[a-z]{2,8}(?:-[a-z0-9]{1,8})*$/i;

export function checkGroups(findings: Findings, url: string, { media, variants }: MasterPlaylist): void {
  for (const { attributes } of variants) {
    const dangling = TYPES.find((type) => {
      const group = attributes[type];
      const isNone = group === undefined || (type === 'CLOSED-CAPTIONS' && group === 'NONE');
      return !isNone && !media.some((one) => one.TYPE === type && one['GROUP-ID'] === group);
    });
    findings.see(
      'groups-exist',
      url,
      dangling && `A variant refers to the ${dangling} group ${attributes[dangling]}, which has no member.`,
    );
  }
  for (const one of media) checkMember(findings, url, one);
  const groups = Map.groupBy(media, (one) => `${one.TYPE} ${one['GROUP-ID']}`);
  for (const [group, members] of groups) {
    const names = members.map(({ NAME }) => NAME);
    const double = names.find((name, index) => names.indexOf(name) !== index);
    findings.see(
      'group-names',
      url,
      double !== undefined ? `Two members of ${group} are named ${double}.` : undefined,
    );
    const defaults = members.filter(({ DEFAULT }) => DEFAULT === 'YES').length;
    findings.see(
      'group-defaults',
      url,
      defaults > 1 ? `${defaults} members of ${group} say DEFAULT=YES.` : undefined,
    );
    const isUsed = variants.some(
      ({ attributes }) => attributes[members[0]!.TYPE ?? ''] === members[0]!['GROUP-ID'],
    );
    findings.see('groups-used', url, isUsed ? undefined : `No variant refers to ${group}.`);
    const chosen = members.filter(({ AUTOSELECT, DEFAULT }) => AUTOSELECT === 'YES' || DEFAULT === 'YES');
    const kinds = chosen.map((one) =>
      [one.LANGUAGE, one['ASSOC-LANGUAGE'], one.FORCED, one.CHARACTERISTICS, one.CHANNELS].join('|'),
    );
    const same = kinds.find((kind, index) => kinds.indexOf(kind) !== index);
    findings.see(
      'group-autoselect',
      url,
      same !== undefined ? `A player cannot choose between two members of ${group} (${same}).` : undefined,
    );
  }
}

function checkMember(findings: Findings, url: string, one: Attributes): void {
  const { TYPE = '', NAME, LANGUAGE: language, DEFAULT, AUTOSELECT, FORCED, URI } = one;
  const say = (problem: string) => `The ${TYPE} rendition ${NAME} ${problem}.`;
  const flags = { DEFAULT, AUTOSELECT, FORCED };
  const odd = Object.entries(flags).find(
    ([, value]) => value !== undefined && value !== 'YES' && value !== 'NO',
  );
  const problems = [
    !TYPES.includes(TYPE) && say('is of no known type'),
    odd && say(`says ${odd[0]}=${odd[1]}`),
    DEFAULT === 'YES' && AUTOSELECT === 'NO' && say('is the default and not to be selected'),
    FORCED !== undefined && TYPE !== 'SUBTITLES' && say('is forced, which only subtitles can be'),
    TYPE === 'SUBTITLES' && URI === undefined && say('has no URI'),
    TYPE === 'CLOSED-CAPTIONS' && URI !== undefined && say('has a URI, which closed captions have not'),
    TYPE === 'CLOSED-CAPTIONS' && one['INSTREAM-ID'] === undefined && say('has no INSTREAM-ID'),
  ];
  findings.seeAll(
    'group-members',
    url,
    problems.filter((problem) => typeof problem === 'string'),
  );
  if (language === undefined) return;
  findings.see(
    'languages',
    url,
    LANGUAGE.test(language) ? undefined : say(`has the language ${JSON.stringify(language)}`),
  );
}
