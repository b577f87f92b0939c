import { useState } from 'react';
import { Button } from './button.tsx';

/** A text to take along: a secret, an address. */
export function CopyBox({ label, text }: { label: string; text: string }) {
  const [isCopied, setIsCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text).catch(() => undefined);
    setIsCopied(true);
    setTimeout(() => setIsCopied(false), 2000);
  };
  return (
    <div className="copy-box">
      <code title={label}>{text}</code>
      <Button size="small" onClick={() => void copy()} aria-label={`Copy ${label}`}>
        {isCopied ? 'Copied' : 'Copy'}
      </Button>
    </div>
  );
}
