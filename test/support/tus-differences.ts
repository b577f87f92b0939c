// Where this server and @tus/server answer differently, each with the sentence of the protocol that decides it.
// https://tus.io/protocols/resumable-upload
import type { Parting } from './tus-lockstep.ts';

export type Difference = {
  what: string;
  sentence: string;
  isIt(parting: Parting): boolean;
};

const isPatch = ({ step }: Parting) => step.act === 'patch';

export const DIFFERENCES: Difference[] = [
  {
    what: 'an unknown version is 412 here, 400 there',
    sentence:
      'If the version specified by the Client is not supported by the Server, it MUST respond with the 412 Precondition Failed status and MUST include the Tus-Version header into the response.',
    isIt: ({ request, ours, theirs }) =>
      request.headers['Tus-Resumable'] === '0.2.2' && ours.status === 412 && theirs.status === 400,
  },
  {
    what: 'X-HTTP-Method-Override is obeyed here, passed over there',
    sentence:
      "The X-HTTP-Method-Override request header MUST be a string which MUST be interpreted as the request's method by the Server, if the header is presented. The actual method of the request MUST be ignored.",
    isIt: ({ step }) => step.act === 'patch' && step.isOverridden,
  },
  {
    what: 'a body of another type is 415 here, 400 or (without any) 403 there',
    sentence:
      'All PATCH requests MUST use Content-Type: application/offset+octet-stream, otherwise the server SHOULD return a 415 Unsupported Media Type status.',
    isIt: (parting) =>
      isPatch(parting) && parting.ours.status === 415 && [400, 403].includes(parting.theirs.status),
  },
  {
    what: 'a PATCH without Upload-Offset is 400 here, 403 there',
    sentence: 'The value MUST be a non-negative integer. [No status is named for a request without it.]',
    isIt: ({ step, ours, theirs }) =>
      step.act === 'patch' && step.offsetForm === 'missing' && ours.status === 400 && theirs.status === 403,
  },
  {
    what: 'a terminated upload is 410 here, 404 there',
    sentence:
      'For all future requests to this URL, the Server SHOULD respond with the 404 Not Found or 410 Gone status.',
    isIt: ({ ours, theirs }) => ours.status === 410 && theirs.status === 404,
  },
  {
    what: 'a length that is told again and is the same is no error here',
    sentence: 'Once set the length MUST NOT be changed.',
    isIt: ({ step, request, length, theirs }) =>
      step.act === 'patch' && request.headers['Upload-Length'] === String(length) && theirs.status === 400,
  },
  {
    what: 'an upload of nothing is refused here, since no video has no bytes',
    sentence:
      'The Server MUST acknowledge a successful upload creation with the 201 Created status. [Which creations succeed is the server’s to say.]',
    isIt: ({ step, ours }) => step.act === 'create' && step.length === '0' && ours.status === 422,
  },
  {
    what: 'termination of a finished upload is refused with 409 here, 400 there (where it is switched off)',
    sentence:
      'This extension defines a way for the Client to terminate completed and unfinished uploads. [The bytes of a completed one are a video’s by then: DELETE /v1/videos/:id.]',
    isIt: ({ step, isComplete, ours, theirs }) =>
      step.act === 'delete' && isComplete && ours.status === 409 && theirs.status === 400,
  },
];
