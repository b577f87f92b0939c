/** A command that was called wrongly; shown as one line with exit code 2. */
export class UsageError extends Error {}

export const USAGE = `reelay: the command line of a Reelay deployment

  reelay token --role admin|uploader|viewer [--sub ID]
      prints a bearer token for the local stack

  reelay upload FILE… [--title T] [--kind movie|episode|video --content-id ID]
                [--method auto|single|multipart|presigned] [--resume UPLOAD_ID] [--json]
      uploads, waits for the transcode and prints where to play

  REELAY_URL and REELAY_TOKEN point at a deployment; without them the local stack is used.`;
