/** A command that was called wrongly; shown as one line with exit code 2. */
export class UsageError extends Error {}

export const USAGE = `reelay: the command line of a Reelay deployment

  reelay token --role admin|uploader|viewer [--sub ID]
      prints a bearer token for the local stack

  reelay upload FILE… [--title T] [--kind movie|episode|video --content-id ID]
                [--method auto|single|multipart|presigned] [--parallel 4] [--fresh] [--resume UPLOAD_ID] [--json]
      uploads, waits for the transcode and prints where to play; run again after an interruption it goes on
      where it stopped (--fresh: from the start). Exit code: 0 done, 1 a file failed, 2 called wrongly, 130 Ctrl-C.

  reelay migrate SOURCE… [--dry-run] [--parallel 4] [--again] [--kind movie] [--match movies/{id}.mp4]
                 [--visibility public|private] [--protection P] [--name N] [--journal FILE] [--report FILE]
      converts a library: bucket:PREFIX (the deployment's own bucket), s3://BUCKET/PREFIX with --endpoint URL and
      AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, a .csv or .jsonl list, or URLs. --dry-run shows the plan alone.
      Sources are only read. Run again after an interruption it goes on. docs/migration.md has all of it.
  reelay migrate --rollback --migration ID [movie/123 …]
      deletes the videos that this migration made, or these of them.

  reelay certify [--deep] [--dash MPD_URL] [--json] URL
      checks any HLS or DASH stream: what its playlists or MPD say against the bytes of its segments. A sample of
      them, or every one with --deep. Exit code: 0 flawless, 1 faults were found, 2 nothing to check at the URL.

  REELAY_URL and REELAY_TOKEN point at a deployment; without them the local stack is used.`;
