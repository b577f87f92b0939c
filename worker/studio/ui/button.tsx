import type { ButtonHTMLAttributes, ReactNode } from 'react';

type Tone = 'main' | 'quiet' | 'danger' | 'danger-main' | 'plain';
type Look = { tone?: Tone; size?: 'small' | 'normal' };

/** `isBusy` keeps it from being pressed again while its work goes on. */
export function Button({
  tone = 'quiet',
  size = 'normal',
  isBusy = false,
  type = 'button',
  disabled,
  children,
  ...rest
}: ButtonHTMLAttributes<HTMLButtonElement> & Look & { isBusy?: boolean }) {
  return (
    <button
      {...rest}
      type={type}
      className="button"
      data-tone={tone}
      data-size={size}
      disabled={disabled || isBusy}
      aria-busy={isBusy || undefined}
    >
      {children}
    </button>
  );
}

export function ButtonLink({
  tone = 'quiet',
  size = 'normal',
  href,
  children,
}: Look & { href: string; children: ReactNode }) {
  return (
    <a className="button" data-tone={tone} data-size={size} href={href}>
      {children}
    </a>
  );
}
