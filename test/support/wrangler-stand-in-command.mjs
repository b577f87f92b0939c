#!/usr/bin/env node
// The stand-in as an executable: its account is a file of the folder STAND_IN_HOME, beside a record of every call.
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { emptyAccount, runOn } from './wrangler-stand-in.ts';

const home = process.env.STAND_IN_HOME ?? '';
const file = join(home, 'account.json');
const account = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : emptyAccount();
const args = process.argv.slice(2);
const stdin = readFileSync(0, 'utf8');
appendFileSync(join(home, 'calls.ndjson'), `${JSON.stringify({ args, stdin })}\n`);
const { code, stdout, stderr } = runOn(account, args, { stdin, env: process.env }, process.cwd());
writeFileSync(file, JSON.stringify(account));
process.stdout.write(stdout);
process.stderr.write(stderr);
process.exitCode = code;
