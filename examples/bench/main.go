package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"
)

// options are what the command line asks for.
type options struct {
	lab       string
	bmsync    string
	runs      int
	scenarios string
	tools     string
	rtts      string
	medium    string
	keep      bool
}

func main() {
	var child string
	var o options
	flag.StringVar(&o.lab, "lab", os.Getenv("BMSYNC_LAB"), "lab.json of a running lab")
	flag.StringVar(&o.bmsync, "bmsync", "", "the program to measure; built if left out")
	flag.IntVar(&o.runs, "runs", 5, "runs of each tool, of which the median is told")
	flag.StringVar(&o.scenarios, "scenarios", "small,realistic,many", "what to copy")
	flag.StringVar(&o.tools, "tools", "limit,bmsync,mbsync", "what to measure")
	flag.StringVar(&o.rtts, "rtt", "0", "round-trip times before both servers, as in 0,20ms,100ms")
	flag.StringVar(&o.medium, "medium", "", "name of the target's file system, for the table")
	flag.BoolVar(&o.keep, "keep", false, "keep the working folder")
	flag.StringVar(&child, "loop", "", "for itself: run the loop with this work")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if child != "" {
		err = loop(ctx, child)
	} else {
		err = o.run(ctx, os.Stdout, os.Stderr)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures every scenario at every round-trip time.
func (o options) run(ctx context.Context, out, progress io.Writer) (err error) {
	b, err := newBench(ctx, o, progress)
	if err != nil {
		return err
	}
	defer func() {
		if e := b.close(); err == nil {
			err = e
		}
	}()
	t := newTable(out, o.medium)
	for _, name := range strings.Split(o.scenarios, ",") {
		s, ok := scenarioNamed(name)
		if !ok {
			return fmt.Errorf("there is no scenario %q", name)
		}
		if err := b.fill(ctx, s); err != nil {
			return fmt.Errorf("scenario %s: %w", name, err)
		}
		for _, text := range strings.Split(o.rtts, ",") {
			rtt := time.Duration(0)
			if text != "0" {
				if rtt, err = time.ParseDuration(text); err != nil {
					return err
				}
			}
			results, err := b.measure(ctx, s, rtt)
			if err != nil {
				return fmt.Errorf("scenario %s at %s: %w", name, text, err)
			}
			t.add(s, rtt, results)
		}
	}
	return nil
}
