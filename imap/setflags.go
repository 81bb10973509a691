package imap

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// flagGroup is one STORE: messages that get the same change.
type flagGroup struct {
	mode  FlagMode
	flags []string
	uids  []uint32 // of the target
}

// grouped gathers changes that one command can do, in the order of their
// first messages.
func grouped(changes []FlagChange) []*flagGroup {
	var order []*flagGroup
	byKey := map[string]*flagGroup{}
	add := func(mode FlagMode, flags []string, uid uint32) {
		if len(flags) == 0 {
			return
		}
		key := fmt.Sprint(mode, flags)
		g := byKey[key]
		if g == nil {
			g = &flagGroup{mode: mode, flags: flags}
			byKey[key] = g
			order = append(order, g)
		}
		g.uids = append(g.uids, uid)
	}
	for _, ch := range changes {
		add(AddFlags, ch.Add, ch.DstUID)
		add(RemoveFlags, ch.Remove, ch.DstUID)
	}
	return order
}

// syncFlags stores on the target what changed at the source, and nothing
// else: what users of the target changed stays.
func (c *copier) syncFlags(ctx context.Context, changes []FlagChange) error {
	if len(changes) == 0 {
		return nil
	}
	c.wrote = true
	if err := c.selectTarget(ctx); err != nil {
		return err
	}
	if c.opts.KeepTouched {
		var err error
		if changes, err = c.untouched(ctx, changes); err != nil || len(changes) == 0 {
			return err
		}
	}
	source := make(map[uint32]uint32, len(changes))
	for _, ch := range changes {
		source[ch.DstUID] = ch.SrcUID
	}
	notes := map[uint32]string{}
	for _, g := range grouped(changes) {
		slices.Sort(g.uids)
		lost, err := c.store(ctx, g.uids, g.flags, g.mode)
		if err != nil {
			return err
		}
		if len(lost) == 0 || g.mode != AddFlags {
			continue
		}
		for _, uid := range g.uids {
			notes[source[uid]] = join(notes[source[uid]], flagsNotKept(lost))
		}
	}
	if len(notes) > 0 {
		if err := c.ledger.Annotate(ctx, notes); err != nil {
			return err
		}
	}
	c.tally.Flagged += len(changes)
	return c.ledger.Flagged(ctx, changes)
}

// untouched are the changes of messages whose copies, in the selected target
// mailbox, are as they were last synchronised.
func (c *copier) untouched(ctx context.Context, changes []FlagChange) (out []FlagChange, err error) {
	uids := make([]uint32, len(changes))
	for i, ch := range changes {
		uids[i] = ch.DstUID
	}
	slices.Sort(uids)
	list, err := c.dst.listed(ctx, slices.Compact(uids))
	if err != nil {
		return nil, fmt.Errorf("list %q: %w", c.opts.Target, err)
	}
	there := make(map[uint32]Message, len(list))
	for _, m := range list {
		there[m.UID] = m
	}
	for _, ch := range changes {
		m, ok := there[ch.DstUID]
		if !ok {
			continue
		}
		known, err := c.ledger.Known(ctx, ch.SrcUID, ch.SrcUID)
		if err != nil {
			return nil, err
		}
		before := Departed{Flags: append(lacking(ch.Now, ch.Add), ch.Remove...), Size: m.Size, InternalDate: m.InternalDate, SHA1: m.SHA1}
		if len(known) == 1 {
			before.Note = known[0].Note
		}
		if before.touched(m) == "" {
			out = append(out, ch)
		}
	}
	return out, nil
}

func flagsNotKept(flags []string) string { return "flags not kept: " + strings.Join(flags, " ") }

// store changes flags in the selected target mailbox. Where the target, or
// ourselves, would not take them together, the system flags are stored, then
// each keyword alone; those still refused are given.
func (c *copier) store(ctx context.Context, uids []uint32, flags []string, mode FlagMode) (lost []string, err error) {
	if err = c.dst.StoreFlags(ctx, uids, flags, mode); err == nil {
		return nil, nil
	}
	system := systemFlags(flags)
	others := lacking(flags, system)
	refusedAll := len(others) == 0 || !refusal(err) && !refusedByUs(err) || ownTrouble(serverWords(err), -1)
	if !refusedAll && (len(system) > 0 || mode == ReplaceFlags) {
		err = c.dst.StoreFlags(ctx, uids, system, mode)
		refusedAll = err != nil
	}
	if refusedAll {
		return nil, fmt.Errorf("store flags in %q: %w", c.opts.Target, err)
	}
	if mode == ReplaceFlags {
		mode = AddFlags
	}
	for _, f := range others {
		err := c.dst.StoreFlags(ctx, uids, []string{f}, mode)
		switch {
		case err == nil:
		case refusal(err) || refusedByUs(err):
			lost = append(lost, f)
		default:
			return nil, fmt.Errorf("store flags in %q: %w", c.opts.Target, err)
		}
	}
	return lost, nil
}
