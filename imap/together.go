package imap

import "context"

// CreateAll makes mailboxes, many with each round trip, in the order given; none of
// them may lie below another of them. A refusal is no error: BlueMind answers
// "exists" to nearly any, so that only a listing shows what there is.
func (t *Target) CreateAll(ctx context.Context, names []string) error {
	return t.together(ctx, "CREATE", names)
}

// SubscribeAll adds mailboxes to the user's subscriptions, many with each round
// trip. A refusal is no error.
func (t *Target) SubscribeAll(ctx context.Context, names []string) error {
	return t.together(ctx, "SUBSCRIBE", names)
}

// together sends one command about each of several mailboxes.
func (t *Target) together(ctx context.Context, verb string, names []string) error {
	for len(names) > 0 {
		part := names[:min(len(names), statusesAtOnce)]
		names = names[len(part):]
		steps := make([]step, len(part))
		for i, name := range part {
			wire := t.wire(name)
			if err := t.unsendable(verb, wire); err != nil {
				return err
			}
			steps[i].command = verb + " " + quoteMailbox(wire)
		}
		if err := t.exchanges(ctx, steps...); err != nil && !refusedAlone(err) {
			return err
		}
	}
	return nil
}
