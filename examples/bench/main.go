package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// options are what the command line asks for.
type options struct {
	labFile   string
	bmsync    string
	work      string
	runs      int
	scenarios string
	tools     string
	rtts      string
	medium    string
	results   string
	quick     bool
	keep      bool
}

func main() {
	var child, tell string
	var o options
	flag.StringVar(&o.labFile, "lab", os.Getenv("BMSYNC_LAB"), "lab.json of a running lab")
	flag.StringVar(&o.bmsync, "bmsync", "", "the program to measure; built if left out")
	flag.StringVar(&o.work, "work", "", "folder to work in; the simulator's store is there")
	flag.IntVar(&o.runs, "runs", 5, "runs of each tool, of which the median is told")
	flag.StringVar(&o.scenarios, "scenarios", "small,realistic,many", "what to copy: "+strings.Join(scenarioNames(), ", "))
	flag.StringVar(&o.tools, "tools", "limit,bmsync,mbsync", "what to measure")
	flag.StringVar(&o.rtts, "rtt", "0", "round-trip times before both servers, as in 0,20ms,100ms")
	flag.StringVar(&o.medium, "medium", "", "name of the target's file system, for the table")
	flag.StringVar(&o.results, "results", "", "file that results are added to")
	flag.BoolVar(&o.quick, "quick", false, "a tenth of the messages where there are very many")
	flag.BoolVar(&o.keep, "keep", false, "keep the working folder")
	flag.StringVar(&tell, "table", "", "measure nothing: make the table of this file of results")
	flag.StringVar(&child, "loop", "", "for itself: run the loop with this work")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch {
	case child != "":
		err = loop(ctx, child)
	case tell != "":
		err = tellAll(os.Stdout, tell)
	default:
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
	defer func() { err = errors.Join(err, b.close()) }()
	var all []measured
	for name := range strings.SplitSeq(o.scenarios, ",") {
		s, ok := scenarioNamed(name)
		if !ok {
			return fmt.Errorf("there is no scenario %q", name)
		}
		if o.quick && s.Long {
			s = s.tenth()
		}
		for text := range strings.SplitSeq(o.rtts, ",") {
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
			m := measured{Scenario: s.Name, Text: s.Text, Accounts: s.Accounts, Messages: s.total(), Folders: s.Folders, Medium: o.medium, RTT: rtt, Results: results}
			all = append(all, m)
			if o.results != "" {
				if err := keep(o.results, m); err != nil {
					return err
				}
			}
		}
	}
	return newTable(all).write(out)
}
