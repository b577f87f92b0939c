// A deployment from top to bottom. Every step reads before it writes, so a run after a failure, or after a success,
// finds what is there and does the rest.
import { readFile, rm } from 'node:fs/promises';
import { line, PlainFailure, row } from '../setup/screen.mjs';
import { type Account, findAccount } from './account.ts';
import type { Ask } from './ask.ts';
import { ensureCors, ensureLifecycle } from './bucket-rules.ts';
import { type Overlay, readWanted, type Wanted, writeOverlay } from './config.ts';
import type { DeployHome, Remembered } from './home.ts';
import type { DeployOptions } from './options.ts';
import { ensureBuckets, ensureDatabase, ensureQueues } from './resources.ts';
import { askedSecrets, deployedSecrets, gatherSecrets, putSecrets } from './secrets.ts';
import { writeTranscoderEnv } from './transcoder-env.ts';
import { createWrangler, made, type RunWrangler, type Wrangler } from './wrangler.ts';

export type DeployTools = {
  runWrangler: RunWrangler;
  ask: Ask;
  home: DeployHome;
  buildStudio: () => Promise<void>;
};

/** @throws PlainFailure with one line of what to do; what was made before it stays and is found by the next run */
export async function deploy(options: DeployOptions, tools: DeployTools): Promise<void> {
  const { ask, home } = tools;
  const wrangler = createWrangler(tools.runWrangler, options);
  const wanted = await readWanted();
  const account = await findAccount(wrangler, options);
  wrangler.actOn(account?.id);
  row(
    'account',
    account ? `${account.name} (${account.id})` : 'not signed in: shown as for an empty account',
  );
  const accountId = account?.id ?? '<account id>';
  const remembered = await rememberedOf(home, account);
  const hasContainers = options.containers ?? remembered.hasContainers;

  const present = await deployedSecrets(wrangler, wanted.worker);
  const asked = askedSecrets(accountId, wanted.mediaBucket, hasContainers);
  const given = new Set(Object.keys(wanted.vars));
  const secrets = await gatherSecrets(present, { asked, given, home, ask, isDryRun: wrangler.isDryRun });
  await goOn(wrangler, options, ask);
  if (!wrangler.isDryRun) await home.remember({ accountId, hasContainers });

  await ensureBuckets(wrangler, wanted);
  await ensureLifecycle(wrangler, wanted.mediaBucket);
  const databaseId = await ensureDatabase(wrangler, wanted);
  const queueId = await ensureQueues(wrangler, wanted);
  const knownUrl = options.url ?? remembered.url;
  const plain = {
    R2_S3_ENDPOINT: `https://${accountId}.r2.cloudflarestorage.com`,
    ...(hasContainers && { QUEUE_ACCOUNT_ID: accountId, QUEUE_ID: queueId }),
    ...(hasContainers && knownUrl && { REELAY_URL: knownUrl }),
  };
  // A name is a variable or a secret, not both; what wrangler.toml says of it stands.
  const isFree = ([name]: [string, string]) => !given.has(name) && !present.has(name);
  const vars = Object.fromEntries(Object.entries(plain).filter(isFree));
  await wrangler.writeOwn(`(${home.overlayFile} written from wrangler.toml, with ids of the account)`, () =>
    writeOverlay(home.overlayFile, wanted, { databaseId, hasContainers, vars }),
  );

  const overlay = ['--config', home.overlayFile];
  await wrangler.write(['d1', 'migrations', 'apply', wanted.database.binding, '--remote', ...overlay]);
  made(wrangler, 'migrations', 'applied');
  await wrangler.writeOwn('npm run build', tools.buildStudio);
  await putSecrets(wrangler, home, secrets);
  const deployedUrl = await uploadWorker(wrangler, home);
  const url = knownUrl ?? deployedUrl;
  if (!wrangler.isDryRun && url) await home.remember({ url });
  // Only now is it known where the transcoders find the Worker.
  if (hasContainers && !knownUrl && url && !given.has('REELAY_URL') && !present.has('REELAY_URL'))
    await uploadWorkerAgain(wrangler, home, wanted, {
      databaseId,
      hasContainers,
      vars: { ...vars, REELAY_URL: url },
    });
  await ensureCors(wrangler, wanted.mediaBucket, originsOf(wanted, options, url), home.corsFile);
  if (!wrangler.isDryRun) await writeTranscoderEnv(home, { url, accountId, queueId });
  summary(wrangler, { url, hasContainers, home });
}

/** Secrets and addresses are those of one account. */
async function rememberedOf(home: DeployHome, account: Account | undefined): Promise<Remembered> {
  const remembered = await home.read();
  if (!account || remembered.accountId === undefined || remembered.accountId === account.id)
    return remembered;
  throw new PlainFailure(
    `this checkout deploys to the account ${remembered.accountId}: for another one set REELAY_DEPLOY_HOME to a folder of its own`,
  );
}

async function goOn(wrangler: Wrangler, options: DeployOptions, ask: Ask): Promise<void> {
  if (wrangler.isDryRun || options.isUnattended) return;
  if (!ask.isInteractive)
    throw new PlainFailure('nobody is here to say yes: add --yes, or look first with --dry-run');
  if (!(await ask.confirm('Make what is missing and deploy?'))) throw new PlainFailure('nothing was changed');
}

/** @returns where it is reached; undefined where it has no address of its own */
async function uploadWorker(wrangler: Wrangler, home: DeployHome): Promise<string | undefined> {
  // wrangler appends to it.
  if (!wrangler.isDryRun) await rm(home.outputFile, { force: true });
  const result = await wrangler.write(['deploy', '--config', home.overlayFile], {
    env: { WRANGLER_OUTPUT_FILE_PATH: home.outputFile },
  });
  if (!result) return '<the address of the Worker>';
  const lines = (await readFile(home.outputFile, 'utf8').catch(() => '')).split('\n').filter(Boolean);
  const targets = lines
    .map((text) => JSON.parse(text) as { type?: string; targets?: string[] })
    .flatMap(({ type, targets: of }) => (type === 'deploy' ? (of ?? []) : []));
  const url = [...targets, result.stdout].map(addressIn).find((address) => address !== undefined);
  row('Worker', url ?? 'deployed');
  return url;
}

async function uploadWorkerAgain(
  wrangler: Wrangler,
  home: DeployHome,
  wanted: Wanted,
  overlay: Overlay,
): Promise<void> {
  if (!wrangler.isDryRun) await writeOverlay(home.overlayFile, wanted, overlay);
  await wrangler.write(['deploy', '--config', home.overlayFile], {
    about: '   (once more, with REELAY_URL)',
  });
  made(wrangler, 'Worker', 'knows its address');
}

function addressIn(target: string): string | undefined {
  const custom = /^(\S+) \(custom domain/.exec(target)?.[1];
  return custom ? `https://${custom}` : /https:\/\/[^\s/*]+/.exec(target)?.[0];
}

/** Pages that may upload straight to the bucket: the studio, those that may call the API, and those asked for. */
function originsOf(wanted: Wanted, options: DeployOptions, url: string | undefined): string[] {
  const api = String(wanted.vars.CORS_ORIGINS ?? '')
    .split(',')
    .map((origin) => origin.trim());
  return [...new Set([url ?? '', ...api, ...options.origins])].filter(Boolean);
}

function summary(
  wrangler: Wrangler,
  { url, hasContainers, home }: { url: string | undefined; hasContainers: boolean; home: DeployHome },
): void {
  line();
  if (wrangler.isDryRun) {
    line('Nothing was changed.');
    return;
  }
  row('studio', url ? `${url}/` : 'at the route of wrangler.toml (say it with --url)');
  row('token', 'npm run -s deploy -- --token admin');
  row(
    'transcoders',
    hasContainers ? 'the Worker wakes them' : `docker compose up -d (${home.transcoderEnvFile})`,
  );
}
