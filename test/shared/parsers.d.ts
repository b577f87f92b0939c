// The two parsers that come without types, as far as the tests read them.
declare module 'm3u8-parser' {
  export class Parser {
    push(text: string): void;
    end(): void;
    manifest: {
      endList?: boolean;
      playlistType?: string;
      independentSegments?: boolean;
      targetDuration?: number;
      segments: { duration: number; uri: string; map?: { uri: string } }[];
      contentSteering?: { serverUri: string; pathwayId?: string };
      playlists?: { uri: string; attributes: Record<string, unknown> }[];
      mediaGroups: {
        AUDIO: Record<string, Record<string, { default: boolean; language?: string; uri: string }>>;
      };
    };
  }
}

declare module 'mpd-parser' {
  type Playlist = {
    attributes: Record<string, unknown> & { NAME: string; BANDWIDTH: number; CODECS: string };
    endList: boolean;
    /** By key system. */
    contentProtection?: Record<string, { pssh?: Uint8Array }>;
    segments: { resolvedUri: string; duration: number; number: number; map: { resolvedUri: string } }[];
  };
  export function parse(
    text: string,
    options: { manifestUri: string },
  ): {
    duration: number;
    playlists: Playlist[];
    mediaGroups: {
      AUDIO: { audio: Record<string, { language: string; default: boolean; playlists: Playlist[] }> };
    };
  };
}
