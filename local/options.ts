// How the stack was asked for: command line and environment, checked once.
import { parseArgs } from 'node:util';
import { localHome } from '../transcoder/cli/local-stack.ts';
import { PlainFailure } from './setup/screen.mjs';

export type LaunchOptions = {
  home: string;
  port: number;
  transcoders: number;
  hasDemo: boolean;
  isReset: boolean;
};

/** @throws PlainFailure naming the wrong option */
export function parseOptions(args: string[], env: NodeJS.ProcessEnv): LaunchOptions {
  const values = readFlags(args);
  return {
    home: localHome(),
    port: wholeNumber('REELAY_PORT', env.REELAY_PORT ?? '8787', 1, 65_534),
    transcoders: wholeNumber('--transcoders', values.transcoders ?? '1', 0, 16),
    hasDemo: !values['no-demo'],
    isReset: values.reset === true,
  };
}

function readFlags(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        'no-demo': { type: 'boolean' },
        transcoders: { type: 'string' },
        reset: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    throw new PlainFailure((error as Error).message);
  }
}

function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new PlainFailure(`${name} is a whole number from ${least} to ${most}, not ${text}`);
}
