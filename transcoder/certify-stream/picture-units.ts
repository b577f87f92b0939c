// Whether decoding can begin with a picture, by its own bytes: H.264 and HEVC in NAL units, AV1 in open bitstream units.
import { isKeyNal, type NalForm, nalTypesOf } from './nal-units.ts';
import { beginsWithKeyFrame } from './obu-units.ts';

/** How the pictures of a track are made. */
export type PictureForm = NalForm | { family: 'av1' };

/** Undefined where the bytes are not made of whole units. */
export function isKeyPicture(sample: Uint8Array, form: PictureForm): boolean | undefined {
  if (form.family === 'av1') return beginsWithKeyFrame(sample);
  return nalTypesOf(sample, form)?.some((type) => isKeyNal(type, form.family));
}
