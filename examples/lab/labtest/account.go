package labtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Account is all mail of an account, by folder name (decoded).
type Account map[string][]Item

// Item is one message as a server serves it.
type Item struct {
	UID          uint32
	SHA256       string // of the bytes of BODY.PEEK[], hex
	Size         int64  // of the same bytes
	InternalDate time.Time
	Flags        []string // sorted, without \Recent
}

// Read reads every folder that can be selected and every message in it.
func Read(ctx context.Context, l Login) (Account, error) {
	c, err := dial(ctx, l)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.conn.Close() })
	defer stop()
	defer c.close()
	names, err := c.folders()
	if err != nil {
		return nil, err
	}
	account := Account{}
	for _, wire := range names {
		name, err := DecodeUTF7(wire)
		if err != nil {
			return nil, err
		}
		if account[name], err = c.items(wire); err != nil {
			return nil, fmt.Errorf("folder %q: %w", name, err)
		}
	}
	return account, nil
}

// folders lists the selectable folders' names as they go over the wire.
func (c *client) folders() ([]string, error) {
	var names []string
	err := c.command(func(v []value) error {
		if len(v) != 4 || !strings.EqualFold(string(v[0].text), "LIST") {
			return nil
		}
		for _, attr := range v[1].list {
			switch strings.ToLower(string(attr.text)) {
			case `\noselect`, `\nonexistent`:
				return nil
			}
		}
		names = append(names, string(v[3].text))
		return nil
	}, `LIST "" "*"`)
	return names, err
}

func (c *client) items(wire string) ([]Item, error) {
	exists := 0
	err := c.command(func(v []value) error {
		if len(v) == 2 && strings.EqualFold(string(v[1].text), "EXISTS") {
			exists, _ = strconv.Atoi(string(v[0].text))
		}
		return nil
	}, "EXAMINE "+quote(wire))
	if err != nil || exists == 0 {
		return nil, err
	}
	var items []Item
	err = c.command(func(v []value) error {
		if len(v) != 3 || !strings.EqualFold(string(v[1].text), "FETCH") {
			return nil
		}
		item, whole, err := readItem(v[2].list)
		if err == nil && whole {
			items = append(items, item)
		}
		return err
	}, "UID FETCH 1:* (UID FLAGS INTERNALDATE BODY.PEEK[])")
	if err == nil && len(items) != exists {
		err = fmt.Errorf("%d messages announced, %d served", exists, len(items))
	}
	return items, err
}

// readItem reads the parts of one FETCH response; whole is false for one that
// came unasked, without the message.
func readItem(parts []value) (item Item, whole bool, err error) {
	for i := 0; i+1 < len(parts); i += 2 {
		v := parts[i+1]
		switch strings.ToUpper(string(parts[i].text)) {
		case "UID":
			n, err := strconv.ParseUint(string(v.text), 10, 32)
			if err != nil {
				return item, false, err
			}
			item.UID = uint32(n)
		case "FLAGS":
			for _, f := range v.list {
				if !strings.EqualFold(string(f.text), `\Recent`) {
					item.Flags = append(item.Flags, string(f.text))
				}
			}
			slices.Sort(item.Flags)
		case "INTERNALDATE":
			item.InternalDate, err = time.Parse("_2-Jan-2006 15:04:05 -0700", string(v.text))
			if err != nil {
				return item, false, err
			}
		case "BODY[]":
			sum := sha256.Sum256(v.text)
			item.SHA256, item.Size, whole = hex.EncodeToString(sum[:]), int64(len(v.text)), true
		}
	}
	return item, whole, nil
}

// key is what makes two messages the same: bytes, instant, flags. Keywords are
// the same whatever their case.
func (i Item) key() string {
	flags := make([]string, len(i.Flags))
	for n, f := range i.Flags {
		flags[n] = strings.ToLower(f)
	}
	slices.Sort(flags)
	return fmt.Sprintf("%s, %d bytes, %s, (%s)", i.SHA256[:16], i.Size,
		i.InternalDate.UTC().Format(time.RFC3339), strings.Join(flags, " "))
}

// Compare says how the target differs from what the source and the mapping ask
// for: a line for each message that lacks or is there too often, none if nothing
// does. The mapping names the target folder of a source folder; one it does not
// name keeps its name, one mapped to "" is left out. Messages are compared by
// bytes, INTERNALDATE and flags, as often as they occur.
func Compare(src, dst Account, mapping map[string]string) []string {
	want := map[string]map[string]int{} // target folder → key → how often
	for folder, items := range src {
		target, named := mapping[folder]
		if !named {
			target = folder
		}
		if target == "" {
			continue
		}
		if want[target] == nil {
			want[target] = map[string]int{}
		}
		for _, i := range items {
			want[target][i.key()]++
		}
	}
	var diffs []string
	for target, keys := range want {
		items, there := dst[target]
		if !there {
			diffs = append(diffs, fmt.Sprintf("%s: no such folder on the target", target))
			continue
		}
		for _, i := range items {
			keys[i.key()]--
		}
		for key, n := range keys {
			switch {
			case n > 0:
				diffs = append(diffs, fmt.Sprintf("%s: %d missing: %s", target, n, key))
			case n < 0:
				diffs = append(diffs, fmt.Sprintf("%s: %d too many: %s", target, -n, key))
			}
		}
	}
	for folder, items := range dst {
		if want[folder] == nil && len(items) > 0 {
			diffs = append(diffs, fmt.Sprintf("%s: %d messages that no source folder sends there", folder, len(items)))
		}
	}
	slices.Sort(diffs)
	return diffs
}
