package imap

import "context"

// statusesAtOnce is how many STATUS commands are sent before their answers are
// waited for: few enough that neither side's buffers fill.
const statusesAtOnce = 100

// Statuses asks for the numbers of several mailboxes, none of which may be the
// selected one, in a round trip for every hundred. A mailbox that the server
// refuses to tell of, or tells no UIDVALIDITY of, is left out.
func (s *Session) Statuses(ctx context.Context, names []string) (map[string]Status, error) {
	out := make(map[string]Status, len(names))
	for len(names) > 0 {
		part := names[:min(len(names), statusesAtOnce)]
		names = names[len(part):]
		got := make([]Status, len(part))
		steps := make([]step, 0, len(part))
		for i, name := range part {
			if s.unsendable("STATUS", s.wire(name)) == nil {
				steps = append(steps, s.statusStep(name, &got[i]))
			}
		}
		if len(steps) == 0 {
			continue
		}
		if err := s.exchanges(ctx, steps...); err != nil && !refusedAlone(err) {
			return nil, err
		}
		for i, name := range part {
			if got[i].UIDValidity != 0 {
				out[name] = got[i]
			}
		}
	}
	return out, nil
}
