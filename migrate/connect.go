package migrate

import (
	"context"
	"sync"

	"bmsync/imap"
)

// connect opens an attempt's sessions. The source comes first: nothing is made for
// an account that can't be read. Once it is known to let accounts in, both sides
// are opened at once. over says that the account is complete as it stands.
func (w *accountWork) connect(ctx context.Context) (src *imap.Source, dst *imap.Target, over bool, err error) {
	if w.plan.Kind == KindUser && w.run.hosts.met("source "+w.plan.Source) {
		return w.connectBoth(ctx)
	}
	if src, err = w.openSource(ctx); err != nil {
		return nil, nil, false, err
	}
	over, err = w.handedOver(ctx, src)
	if !over && err == nil {
		dst, err = w.openTarget(ctx)
	}
	if over || err != nil {
		src.Close()
		return nil, nil, over, err
	}
	return src, dst, false, nil
}

// connectBoth waits for both sides, whatever becomes of one: a key that is made
// is the account's to give back.
func (w *accountWork) connectBoth(ctx context.Context) (src *imap.Source, dst *imap.Target, over bool, err error) {
	var failed error
	var opening sync.WaitGroup
	opening.Go(func() { dst, failed = w.openTarget(ctx) })
	src, err = w.openSource(ctx)
	opening.Wait()
	if err != nil && dst != nil {
		dst.Close()
	}
	if err == nil && failed != nil {
		src.Close()
		err = failed
	}
	if err != nil {
		return nil, nil, false, err
	}
	return src, dst, false, nil
}

func (w *accountWork) openSource(ctx context.Context) (src *imap.Source, err error) {
	err = w.run.hosts.enter("source "+w.plan.Source, func() (err error) {
		src, err = dialSource(ctx, w.run.opts.Sources[w.plan.Source], w.plan.SourceLogin, w.run.log)
		return err
	})
	return src, err
}

// openTarget makes sure of the mailbox and takes its user's key, once for all
// attempts, and opens a session by it.
func (w *accountWork) openTarget(ctx context.Context) (dst *imap.Target, err error) {
	if w.entry == nil {
		if err := w.run.hosts.enter("API of target "+w.run.opts.Target.Name, func() error { return w.provision(ctx) }); err != nil {
			return nil, err
		}
	}
	if w.key == nil {
		if w.key, err = w.run.takeKey(ctx, w.entry); err != nil {
			w.key = nil
			return nil, err
		}
	}
	err = w.run.hosts.enter("target "+w.run.opts.Target.Name, func() (err error) {
		dst, err = w.key.dial(ctx)
		return err
	})
	return dst, err
}
