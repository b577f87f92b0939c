import { Component, type ReactNode } from 'react';
import { Button } from './button.tsx';
import { Notice } from './notice.tsx';

/** A page that breaks does not take the frame along. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { isBroken: boolean }> {
  override state = { isBroken: false };

  static getDerivedStateFromError() {
    return { isBroken: true };
  }

  override render() {
    if (!this.state.isBroken) return this.props.children;
    return (
      <Notice tone="bad" title="This page stopped working">
        <p>What you did before is safe. Load the page again; the browser's console says more.</p>
        <Button size="small" onClick={() => location.reload()}>
          Load again
        </Button>
      </Notice>
    );
  }
}
