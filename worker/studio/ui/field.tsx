// A control with its label, hint and trouble, tied together for screen readers.
import {
  type InputHTMLAttributes,
  type ReactNode,
  type SelectHTMLAttributes,
  type TextareaHTMLAttributes,
  useId,
} from 'react';

type Frame = { label: string; hint?: ReactNode; trouble?: string | undefined };

export function TextField({ label, hint, trouble, ...rest }: InputHTMLAttributes<HTMLInputElement> & Frame) {
  const id = useId();
  return (
    <FieldFrame {...{ id, label, hint, trouble }}>
      <input {...rest} {...described(id, hint, trouble)} id={id} className="input" />
    </FieldFrame>
  );
}

export function AreaField({
  label,
  hint,
  trouble,
  ...rest
}: TextareaHTMLAttributes<HTMLTextAreaElement> & Frame) {
  const id = useId();
  return (
    <FieldFrame {...{ id, label, hint, trouble }}>
      <textarea {...rest} {...described(id, hint, trouble)} id={id} className="input" />
    </FieldFrame>
  );
}

/** `options` are value and text. */
export function SelectField({
  label,
  hint,
  trouble,
  options,
  ...rest
}: SelectHTMLAttributes<HTMLSelectElement> & Frame & { options: readonly (readonly [string, string])[] }) {
  const id = useId();
  return (
    <FieldFrame {...{ id, label, hint, trouble }}>
      <select {...rest} {...described(id, hint, trouble)} id={id} className="input">
        {options.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </FieldFrame>
  );
}

export function CheckField({
  label,
  ...rest
}: Omit<InputHTMLAttributes<HTMLInputElement>, 'type'> & { label: ReactNode }) {
  return (
    <label className="check">
      <input {...rest} type="checkbox" />
      <span>{label}</span>
    </label>
  );
}

function FieldFrame({ id, label, hint, trouble, children }: Frame & { id: string; children: ReactNode }) {
  return (
    <div className="field">
      <label className="field-label" htmlFor={id}>
        {label}
      </label>
      {children}
      {hint ? (
        <div className="field-hint" id={`${id}-hint`}>
          {hint}
        </div>
      ) : null}
      {trouble ? (
        <div className="field-trouble" id={`${id}-trouble`} role="alert">
          {trouble}
        </div>
      ) : null}
    </div>
  );
}

function described(id: string, hint: ReactNode, trouble: string | undefined) {
  const ids = [hint ? `${id}-hint` : '', trouble ? `${id}-trouble` : ''].filter(Boolean).join(' ');
  return {
    ...(ids ? { 'aria-describedby': ids } : {}),
    ...(trouble ? { 'aria-invalid': true as const } : {}),
  };
}
