import { type FormEvent, useState } from 'react';
import { ApiFailure, asFailure } from '../api.ts';
import { pageAt } from '../router.ts';
import { signIn, useSession } from '../session.ts';
import { Button, ButtonLink } from '../ui/button.tsx';
import { TextField } from '../ui/field.tsx';
import { Logo } from '../ui/icons.tsx';

export function Page() {
  const session = useSession();
  const [token, setToken] = useState('');
  const [trouble, setTrouble] = useState<string>();
  const [isBusy, setIsBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setIsBusy(true);
    setTrouble(undefined);
    try {
      await tryToken(token.trim());
      signIn(token);
    } catch (error) {
      setTrouble(asFailure(error).detail);
    } finally {
      setIsBusy(false);
    }
  };
  if (session) {
    return (
      <div className="stack">
        <h1>You are signed in</h1>
        <div>
          <ButtonLink tone="main" href={pageAt('library')}>
            To the library
          </ButtonLink>
        </div>
      </div>
    );
  }
  return (
    <form className="card sign-in" onSubmit={(event) => void submit(event)}>
      <div className="sign-in-head">
        <Logo />
        <h1>Sign in to Reelay</h1>
        <p className="quiet">With a token of this deployment: a JWT or an API key.</p>
      </div>
      <TextField
        label="Token"
        type="password"
        autoComplete="off"
        spellCheck={false}
        required
        value={token}
        trouble={trouble}
        onChange={(event) => setToken(event.target.value)}
      />
      <Button tone="main" type="submit" isBusy={isBusy}>
        Sign in
      </Button>
      <div className="sign-in-help">
        <p className="quiet small">On the local stack, this prints one:</p>
        <pre>
          <code>npx reelay token --role admin</code>
        </pre>
      </div>
    </form>
  );
}

/** @throws ApiFailure where the server does not take it. */
async function tryToken(token: string): Promise<void> {
  let response: Response;
  try {
    response = await fetch('/v1/videos?limit=1', {
      headers: { Authorization: `Bearer ${token}` },
      cache: 'no-store',
    });
  } catch {
    throw new ApiFailure(0, 'unreachable', 'The server cannot be reached.', 1);
  }
  if (response.ok) return;
  const problem = (await response.json().catch(() => ({}))) as { code?: string; detail?: string };
  throw new ApiFailure(
    response.status,
    problem.code ?? 'unknown',
    problem.detail ?? 'This token is not taken.',
    1,
  );
}
