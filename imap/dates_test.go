package imap

import (
	"strings"
	"testing"
	"time"
)

func TestHeaderDate(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, c := range map[string]struct{ header, want, field string }{
		"the topmost Received":         {"Received: a; Tue, 5 Mar 2002 10:11:12 +0100\r\nReceived: b; Mon, 4 Mar 2002 01:01:01 +0000\r\nDate: Mon, 4 Mar 2002 00:00:00 +0000\r\n", "2002-03-05T10:11:12+01:00", "Received"},
		"folded":                       {"Received: from a (b;c)\r\n\tby d;\r\n Tue, 5 Mar 2002\r\n 10:11:12 +0530 (IST)\r\n\r\n", "2002-03-05T10:11:12+05:30", "Received"},
		"the next, if it has none":     {"Received: a\r\nReceived: b; Mon, 4 Mar 2002 01:01:01 -0330\r\n\r\n", "2002-03-04T01:01:01-03:30", "Received"},
		"an absurd one doesn't count":  {"Received: a; Tue, 5 Mar 2097 10:11:12 +0100\r\nDate: Thu, 1 Jan 1970 10:00:00 +0000\r\n\r\n", "", ""},
		"Date":                         {"broken\r\nReceived:\r\n: x\r\nDate : Mon, 4 Mar 02 00:00:00 EST\r\n\r\n", "2002-03-04T00:00:00-05:00", "Date"},
		"a body has none":              {"Subject: x\r\n\r\nDate: Mon, 4 Mar 2002 00:00:00 +0000\r\n", "", ""},
		"bare LF":                      {"Subject: x\nDate: Mon, 4 Mar 2002 00:00 +0000\n\nx", "2002-03-04T00:00:00Z", "Date"},
		"asctime":                      {"Date: Mon Mar  4 01:02:03 2002\r\n\r\n", "2002-03-04T01:02:03Z", "Date"},
		"ISO 8601":                     {"Date: 2002-03-04T01:02:03+02:00\r\n\r\n", "2002-03-04T01:02:03+02:00", "Date"},
		"with dashes":                  {"Date: 4-Mar-2002 01:02:03 +0200\r\n\r\n", "2002-03-04T01:02:03+02:00", "Date"},
		"GMT with an offset":           {"Date: Mon, 4 Mar 2002 01:02:03 GMT+02:00\r\n\r\n", "2002-03-04T01:02:03+02:00", "Date"},
		"Central European summer time": {"Date: Thu, 4 Jul 2002 01:02:03 CEST\r\n\r\n", "2002-07-04T01:02:03+02:00", "Date"},
		"no zone":                      {"Date: 4 Mar 2002 01:02:03\r\n\r\n", "2002-03-04T01:02:03Z", "Date"},
		"no blank after the day":       {"Date: Thu,4 Jul 2002 01:02:03 +0200\r\n\r\n", "2002-07-04T01:02:03+02:00", "Date"},
		"small letters, single digits": {"Date: thu, 4 jul 2002 1:2:3 +0200\r\n\r\n", "2002-07-04T01:02:03+02:00", "Date"},
		"whole words":                  {"Date: Thursday, 4 July 2002 01:02:03 +0200\r\n\r\n", "2002-07-04T01:02:03+02:00", "Date"},
		"a colon in the zone":          {"Date: Thu, 4 Jul 2002 01:02:03 +02:00\r\n\r\n", "2002-07-04T01:02:03+02:00", "Date"},
		"a zone and its name":          {"Date: Thu, 4 Jul 2002 01:02:03 +0800 CST\r\n\r\n", "2002-07-04T01:02:03+08:00", "Date"},
		"leap second":                  {"Date: Sat, 31 Dec 2016 23:59:60 -0000\r\n\r\n", "2016-12-31T23:59:59Z", "Date"},
		"two digits, no seconds":       {"Date: Thu, 4 Jul 02 01:02 EDT\r\n\r\n", "2002-07-04T01:02:00-04:00", "Date"},
		"asctime with a zone":          {"Date: Thu Jul  4 01:02:03 JST 2002\r\n\r\n", "2002-07-04T01:02:03Z", "Date"},
		"twelve hours":                 {"Date: 4 Jul 2002 01:02:03 PM +0200\r\n\r\n", "", ""},
		"cut off":                      {"Date: Mon, 4 Mar 2002 01:02:03 +02", "", ""},
		"no date at all":               {"Date: yesterday\r\nReceived: ;;;\r\n\r\n", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, field := headerDate([]byte(c.header), now)
			text := ""
			if !got.IsZero() {
				text = got.Format(time.RFC3339)
			}
			if text != c.want || field != c.field {
				t.Errorf("got %s of %q, want %s of %q", text, field, c.want, c.field)
			}
		})
	}
}

// TestHeaderDateAnywhere: a zone's name means the same on each machine.
func TestHeaderDateAnywhere(t *testing.T) {
	here := time.Local
	t.Cleanup(func() { time.Local = here })
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for zone, offset := range map[string]int{"CST": 8 * 3600, "IST": 5*3600 + 1800, "BST": 6 * 3600} {
		header := []byte("Date: Thu, 4 Jul 2002 01:02:03 " + zone + "\r\n\r\n")
		time.Local = time.UTC
		want, _ := headerDate(header, now)
		time.Local = time.FixedZone(zone, offset)
		if got, _ := headerDate(header, now); got.IsZero() || !got.Equal(want) {
			t.Errorf("%s is %v, and %v where it is %+d", zone, want, got, offset/3600)
		}
	}
}

func FuzzHeaderDate(f *testing.F) {
	for _, s := range []string{"Received: x; Tue, 5 Mar 2002 10:11:12 +0100 (a(b)", "Date: Mon, 4 Mar 02 00:00:00 EST\r\n\r\n", "Date: 4-Mar-2002 01:02:03 +9959\n", "Date: Mon Mar  4 01:02:03 2002", "\r\n\tDate:", "Date: 31 Dec 9999 23:59:60 -2359\n\n"} {
		f.Add([]byte(s))
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f.Fuzz(func(t *testing.T, header []byte) {
		got, field := headerDate(header, now)
		if (field == "") != got.IsZero() {
			t.Fatalf("%v of %q", got, field)
		}
		if field == "" {
			return
		}
		if absurd(got, now) || !strings.Contains("Received Date", field) {
			t.Fatalf("%v of %q", got, field)
		}
		head, err := appendHead(Append{InternalDate: got})
		if err != nil {
			t.Fatal(err)
		}
		if back := parseDate(strings.Trim(strings.TrimPrefix(head, "()"), ` "`)); !back.Equal(got) {
			t.Fatalf("%v is sent as %s, which is %v", got, head, back)
		}
	})
}
