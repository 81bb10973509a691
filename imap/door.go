package imap

import (
	"context"
	"strings"
)

// door is the raw door: while it is open, responses come to it and not to
// go-imap. Before go-imap is there (dialling) it reads by itself. Afterwards
// the pump, on the first response, lends it the reading until it closes.
type door struct {
	c    *conn
	turn chan struct{} // the pump's hand-over; the first response is in c.resp
	done chan struct{} // closed by close: the pump goes on
	have bool          // we read

	early map[string]early // answers that overtook one still awaited
}

// early is an answer that came before its turn: BlueMind 5 answers BAD at
// once, while earlier commands are still being executed.
type early struct {
	st   status
	verb string
}

func (c *conn) openDoor() *door {
	d := &door{c: c, turn: make(chan struct{}), done: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.pumping {
		d.have = true
		return d
	}
	c.handler = func(*response) error {
		select {
		case d.turn <- struct{}{}:
		case <-c.dead:
			return c.Err()
		}
		select {
		case <-d.done:
		case <-c.dead: // the door may still be reading; the pump is over
			return c.Err()
		}
		return nil
	}
	return d
}

// next gives the next response, read up to its name. Answers that belong to
// no command are counted and passed over.
func (d *door) next() (*response, error) {
	for {
		r, err := d.read()
		if err != nil {
			return nil, err
		}
		if r.tag == "*" || r.tag == "+" || r.verb != "" {
			return r, nil
		}
		d.c.repaired("answer to no command")
	}
}

func (d *door) read() (*response, error) {
	if d.have {
		return d.c.readResponse()
	}
	select {
	case <-d.turn:
		d.have = true
		return &d.c.resp, nil
	case <-d.c.dead:
		return nil, d.c.Err()
	}
}

// close gives the reading back. All commands sent have been answered, or the
// connection is over.
func (d *door) close() {
	d.c.mu.Lock()
	d.c.handler = nil
	d.c.mu.Unlock()
	close(d.done)
}

// roundTrip sends one command and hands its untagged responses to each (nil:
// to nobody), up to its answer. NO and BAD are an *Error after which the
// session goes on.
func (d *door) roundTrip(command string, each func(*response) error) (status, error) {
	tag := d.c.nextTag()
	if err := d.c.send([]byte(tag+" "+command+"\r\n"), true); err != nil {
		return status{}, err
	}
	return d.await(tag, each)
}

// await reads up to the answer of one command.
func (d *door) await(tag string, each func(*response) error) (status, error) {
	if e, ok := d.early[tag]; ok {
		delete(d.early, tag)
		return e.st, d.c.answer(e.st, e.verb)
	}
	for {
		r, err := d.next()
		if err != nil {
			return status{}, err
		}
		switch {
		case r.tag == tag:
			st := r.status()
			return st, d.c.answer(st, r.verb)
		case r.verb != "":
			if d.early == nil {
				d.early = map[string]early{}
			}
			d.early[r.tag] = early{r.status(), r.verb}
		case r.tag == "*" && each != nil:
			if err := each(r); err != nil {
				return status{}, d.c.abandon(err)
			}
		}
	}
}

// answer turns the answer of a command into its error, nil for OK.
func (c *conn) answer(st status, verb string) error {
	switch st.name {
	case "OK":
		return nil
	case "NO", "BAD":
		return c.refusal(st.err(verb))
	}
	return c.fail(&Error{Kind: KindProtocol, Command: verb, Text: "answered " + capText(st.name+" "+st.text)})
}

// abandon ends the session in the middle of a response, because its consumer
// gave up; the error is the consumer's, or the session's where there is one.
func (c *conn) abandon(err error) error {
	if have := c.Err(); have != nil {
		return have
	}
	c.fail(&Error{Kind: KindClosed, Text: "given up in the middle of an answer"})
	return err
}

// exchange does one round trip through the raw door.
func (s *Session) exchange(ctx context.Context, command string, each func(*response) error) (status, error) {
	release, err := s.acquire(ctx)
	if err != nil {
		return status{}, err
	}
	defer release()
	d := s.c.openDoor()
	defer d.close()
	return d.roundTrip(command, each)
}

// step is one of several commands that are sent together.
type step struct {
	command string
	each    func(*response) error // nil: its untagged responses are nobody's
}

// exchanges does several commands in one round trip. It gives the first NO or
// BAD, after which the others are of no use, or what ended the session.
func (s *Session) exchanges(ctx context.Context, steps ...step) error {
	release, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	d := s.c.openDoor()
	defer d.close()
	return d.pipeline(steps)
}

func (d *door) pipeline(steps []step) error {
	tags := make([]string, len(steps))
	for i, st := range steps {
		tags[i] = d.c.nextTag()
		if err := d.c.send([]byte(tags[i]+" "+st.command+"\r\n"), i == len(steps)-1); err != nil {
			return err
		}
	}
	var refused error
	for i, st := range steps {
		_, err := d.await(tags[i], st.each)
		switch {
		case err == nil:
		case !refusedAlone(err):
			return err
		case refused == nil:
			refused = err
		}
	}
	return refused
}

// named passes the responses of one name on, in whatever case it was written.
func named(name string, fn func(*response) error) func(*response) error {
	return func(r *response) error {
		if strings.EqualFold(r.name, name) {
			return fn(r)
		}
		return nil
	}
}
