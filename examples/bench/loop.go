package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"
)

// loopWork is what the loop is told to do, in a file.
type loopWork struct {
	Source, Target string // host:port
	Parallel       int
	Accounts       []account
	Folders        []string
}

// account is one mailbox of the source and where it goes.
type account struct {
	SourceLogin, SourceSecret string
	TargetLogin, TargetSecret string
}

// loop is the servers' limit: FETCH everything, MULTIAPPEND it where the target
// knows that, else APPEND it, pipelined, and forget it. It keeps no state, checks
// nothing and proves nothing.
func loop(ctx context.Context, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var w loopWork
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(w.Parallel)
	for _, a := range w.Accounts {
		g.Go(func() error { return w.account(ctx, a) })
	}
	return g.Wait()
}

func (w loopWork) account(ctx context.Context, a account) error {
	src, err := dialLoop(w.Source, a.SourceLogin, a.SourceSecret)
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	defer src.conn.Close()
	dst, err := dialLoop(w.Target, a.TargetLogin, a.TargetSecret)
	if err != nil {
		return fmt.Errorf("target: %w", err)
	}
	defer dst.conn.Close()
	for _, folder := range w.Folders {
		if folder != "INBOX" {
			dst.command("CREATE " + quote(folder)) // it may be there
		}
		if err := copyFolder(ctx, src, dst, folder); err != nil {
			return fmt.Errorf("%s: %w", folder, err)
		}
	}
	return nil
}

type fetched struct {
	flags, date string
	body        []byte
}

// What goes into one MULTIAPPEND at most, and how many may be on the way.
const (
	batchMessages = 64
	batchBytes    = 4 << 20
	batchesAhead  = 2
)

// copyFolder reads with one connection and writes with the other, at once.
func copyFolder(ctx context.Context, src, dst *wire, folder string) error {
	if _, err := src.command("EXAMINE " + quote(folder)); err != nil {
		return err
	}
	batches := make(chan []fetched, batchesAhead)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(batches)
		var batch []fetched
		size := 0
		send := func() error {
			select {
			case batches <- batch:
				batch, size = nil, 0
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		err := src.fetch(func(m fetched) error {
			if len(batch) > 0 && (len(batch) == batchMessages || size+len(m.body) > batchBytes) {
				if err := send(); err != nil {
					return err
				}
			}
			batch, size = append(batch, m), size+len(m.body)
			return nil
		})
		if err == nil && len(batch) > 0 {
			err = send()
		}
		return err
	})
	g.Go(func() error { return dst.write(folder, batches) })
	return g.Wait()
}

// wire is a plain connection.
type wire struct {
	conn  net.Conn
	r     *bufio.Reader
	w     *bufio.Writer
	tag   int
	multi bool // it takes MULTIAPPEND
}

func dialLoop(addr, login, secret string) (*wire, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &wire{conn: conn, r: bufio.NewReaderSize(conn, 256<<10), w: bufio.NewWriterSize(conn, 256<<10)}
	if _, err := c.r.ReadString('\n'); err != nil {
		return nil, err
	}
	if _, err = c.command("LOGIN " + quote(login) + " " + quote(secret)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	err = c.collect("CAPABILITY", func(text string) { c.multi = c.multi || strings.Contains(text, " MULTIAPPEND") })
	return c, err
}

func quote(s string) string { return `"` + s + `"` }

func (c *wire) send(text string) (tag string, err error) {
	c.tag++
	tag = "t" + strconv.Itoa(c.tag)
	fmt.Fprintf(c.w, "%s %s\r\n", tag, text)
	return tag, c.w.Flush()
}

// command sends one and waits for its OK. No answer before it may have a
// literal.
func (c *wire) command(text string) (string, error) {
	tag, err := c.send(text)
	if err != nil {
		return "", err
	}
	return c.await(tag)
}

func (c *wire) await(tag string) (string, error) { return c.until(tag, func(string) {}) }

// collect gives every untagged line of a command's answer to fn.
func (c *wire) collect(text string, fn func(string)) error {
	tag, err := c.send(text)
	if err == nil {
		_, err = c.until(tag, fn)
	}
	return err
}

func (c *wire) until(tag string, fn func(string)) (string, error) {
	for {
		text, err := c.r.ReadString('\n')
		if err != nil {
			return "", err
		}
		if rest, ok := strings.CutPrefix(text, tag+" "); ok {
			if !strings.HasPrefix(rest, "OK") {
				return "", errors.New(strings.TrimSpace(rest))
			}
			return rest, nil
		}
		fn(text)
	}
}

// fetch asks for everything at once, in the one form that Dovecot answers in.
func (c *wire) fetch(fn func(fetched) error) error {
	tag, err := c.send("UID FETCH 1:* (FLAGS INTERNALDATE BODY.PEEK[])")
	if err != nil {
		return err
	}
	for {
		text, err := c.r.ReadString('\n')
		if err != nil {
			return err
		}
		if rest, ok := strings.CutPrefix(text, tag+" "); ok {
			if !strings.HasPrefix(rest, "OK") {
				return errors.New(strings.TrimSpace(rest))
			}
			return nil
		}
		if !strings.HasSuffix(text, "}\r\n") {
			continue
		}
		m := fetched{flags: between(text, "FLAGS (", ")"), date: between(text, `INTERNALDATE "`, `"`)}
		m.flags = strings.TrimSpace(strings.ReplaceAll(m.flags, `\Recent`, ""))
		n, err := strconv.Atoi(text[strings.LastIndexByte(text, '{')+1 : len(text)-3])
		if err != nil {
			return err
		}
		m.body = make([]byte, n)
		if _, err := io.ReadFull(c.r, m.body); err != nil {
			return err
		}
		if _, err := c.r.ReadString('\n'); err != nil { // )
			return err
		}
		if err := fn(m); err != nil {
			return err
		}
	}
}

func between(s, from, to string) string {
	_, rest, _ := strings.Cut(s, from)
	out, _, _ := strings.Cut(rest, to)
	return out
}

// write sends every batch as one MULTIAPPEND (RFC 3502), or as so many APPENDs,
// and collects answers meanwhile.
func (c *wire) write(folder string, batches <-chan []fetched) error {
	tags := make(chan string, batchesAhead)
	if !c.multi {
		tags = make(chan string, batchesAhead*batchMessages)
	}
	var g errgroup.Group
	g.Go(func() (err error) {
		for tag := range tags {
			if err == nil {
				if _, err = c.await(tag); err != nil {
					c.conn.Close() // whoever writes is told so
				}
			}
		}
		return err
	})
	err := c.sendAll(folder, batches, tags)
	close(tags)
	if e := g.Wait(); e != nil {
		return e
	}
	return err
}

func (c *wire) sendAll(folder string, batches <-chan []fetched, tags chan<- string) error {
	for batch := range batches {
		var sent []string
		for i, m := range batch {
			if i == 0 || !c.multi {
				c.tag++
				sent = append(sent, "t"+strconv.Itoa(c.tag))
				fmt.Fprintf(c.w, "%s APPEND %s", sent[len(sent)-1], quote(folder))
			}
			fmt.Fprintf(c.w, " (%s) \"%s\" {%d+}\r\n", m.flags, m.date, len(m.body))
			c.w.Write(m.body)
			if i == len(batch)-1 || !c.multi {
				c.w.WriteString("\r\n")
			}
		}
		if err := c.w.Flush(); err != nil {
			return err
		}
		for _, tag := range sent {
			tags <- tag
		}
	}
	return nil
}
