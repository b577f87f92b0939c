// `npm run bench -- NAME`: performance as ratios within one run, with what was measured on what.
import { cpus, totalmem } from 'node:os';
import { benchAttacks } from './attacks.ts';
import { benchCorpus } from './corpus.ts';
import { benchDelivery } from './delivery.ts';
import { benchEncode } from './encode.ts';
import { benchCodecs } from './encode-codecs.ts';
import { benchFirstFrame } from './first-frame.ts';
import { benchFuzz } from './fuzz.ts';
import { benchImage } from './image.ts';
import { benchIo } from './io.ts';
import { benchLongPlay } from './long-play.ts';
import { benchMemory } from './memory.ts';
import { benchRanges } from './ranges.ts';
import { benchRecommend } from './recommend.ts';
import { benchRooms } from './rooms.ts';
import { benchScale } from './scale.ts';
import { benchStart } from './start.ts';
import { benchSteady } from './steady.ts';
import { benchWatch } from './watch.ts';

const BENCHES: Record<string, () => Promise<void>> = {
  attacks: benchAttacks,
  codecs: benchCodecs,
  corpus: benchCorpus,
  delivery: benchDelivery,
  encode: benchEncode,
  'first-frame': benchFirstFrame,
  fuzz: benchFuzz,
  image: benchImage,
  io: benchIo,
  'long-play': benchLongPlay,
  memory: benchMemory,
  ranges: benchRanges,
  recommend: benchRecommend,
  rooms: benchRooms,
  scale: benchScale,
  start: benchStart,
  watch: benchWatch,
  steady: benchSteady,
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in BENCHES));
if (unknown.length > 0) {
  console.error(`unknown bench ${unknown.join(', ')}; there are: ${Object.keys(BENCHES).join(', ')}`);
  process.exit(1);
}
console.log(
  `machine: ${cpus().length} × ${cpus()[0]?.model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`,
);
for (const name of wanted.length > 0 ? wanted : Object.keys(BENCHES)) {
  console.log(`\n# ${name}`);
  await BENCHES[name]!();
}
