// `npm run deploy`, under a current Node: options, tools, and the deployment itself.
import { mintToken } from '../../transcoder/cli/local-stack.ts';
import { findRuntime } from '../setup/runtime.mjs';
import { bold, line, PlainFailure, runMain } from '../setup/screen.mjs';
import { ensureStudio } from '../setup/studio.mjs';
import { terminalAsk } from './ask.ts';
import { deploy } from './deploy.ts';
import { deployHome } from './home.ts';
import { parseDeployOptions, USAGE } from './options.ts';
import { runWrangler } from './wrangler.ts';

await runMain(async () => {
  const options = parseDeployOptions(process.argv.slice(2), process.env);
  const home = deployHome();
  if (options.isHelp) {
    console.log(USAGE);
    return;
  }
  if (options.tokenRole) {
    const { JWT_SECRET: jwtSecret } = (await home.read()).secrets;
    if (!jwtSecret)
      throw new PlainFailure('the deployment was not made from this checkout: its secret is not here');
    console.log(mintToken({ jwtSecret }, options.tokenRole, 'operator'));
    return;
  }
  line();
  line(bold(options.isDryRun ? 'Reelay: what a deployment would do' : 'Reelay: deployment'));
  line();
  await deploy(options, {
    runWrangler,
    ask: terminalAsk(options),
    home,
    buildStudio: async () => ensureStudio(await findRuntime()),
  });
});
