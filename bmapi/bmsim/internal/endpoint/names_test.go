package endpoint_test

import (
	"fmt"
	"strings"
	"testing"

	"bmsync/bmapi/bmsim/internal/mail"
)

func TestCreate(t *testing.T) {
	for name, transcript := range map[string]string{
		"makes a folder once": `
			C: a CREATE "Clients"
			S: a OK create completed
			C: b CREATE "Clients"
			S: b NO create failed, already exists
			C: c CREATE Inbox
			S: c NO create failed, already exists`,
		"needs the parent": `
			C: a CREATE "A/B"
			S~ a NO unknown error: .*parent.*not found
			C: b CREATE "A"
			S: b OK create completed
			C: c CREATE "A/B"
			S: c OK create completed
			C: d LIST "" "A*"
			S: * LIST (\HasChildren) "/" "A"
			S: * LIST (\HasNoChildren) "/" "A/B"
			S: d OK Completed`,
		"rewrites ^": `
			C: a CREATE "x^y"
			S: a OK create completed
			C: b SELECT "x^y"
			S: b NO Mailbox does not exist
			C: c CREATE "x.y"
			S: c NO create failed, already exists
			C: d CREATE "x^y"
			S~ d NO unknown error: .*`,
		"makes a second folder of a name with ^": `
			C: a CREATE "x.y"
			S: a OK create completed
			C: b CREATE "x^y"
			S: b OK create completed
			C: c LIST "" "x*"
			S: * LIST (\HasNoChildren) "/" "x.y"
			S: * LIST (\HasNoChildren) "/" "x.y"
			S: c OK Completed`,
		"refuses quotes and controls": `
			C: a CREATE "say \"hello\""
			S~ a NO unknown error: .*
			C: b CREATE "tab&AAk-"
			S~ b NO unknown error: .*`,
		"leaves the virtual roots alone": `
			C: a CREATE "Dossiers partag&AOk-s"
			S: a NO create failed, already exists
			C: b CREATE "Autres utilisateurs"
			S: b NO create failed, already exists
			C: c CREATE "Autres utilisateurs/x"
			S: c NO create failed, already exists`,
		"makes folders in shares": `
			C: a CREATE "Dossiers partag&AOk-s/sales/2024"
			S: a OK create completed
			C: b CREATE "Autres utilisateurs/bob/from alice"
			S: b OK create completed
			C: c LIST "" "Dossiers*"
			S: * LIST (\HasChildren) "/" "Dossiers partag&AOk-s/sales"
			S: * LIST (\HasNoChildren) "/" "Dossiers partag&AOk-s/sales/2024"
			S: * LIST (\HasNoChildren) "/" "Dossiers partag&AOk-s/sales/Sent"
			S: * LIST (\HasNoChildren) "/" "Dossiers partag&AOk-s/sales/Trash"
			S: c OK Completed
			C: d CREATE "Dossiers partag&AOk-s/nobody/x"
			S~ d NO unknown error: .*`,
		"can't decode": `
			C: a CREATE "R&D"
			C: b CREATE "open&AOk"
			C: c NOOP
			S: c OK Completed`,
		"decodes an ampersand after an accent wrongly": `
			C: a CREATE "&AOk-&-Co"
			S: a OK create completed
			C: b LIST "" "*Co"
			S: b OK Completed
			C: c LIST "" "&AOn,,Q-*"
			S: * LIST (\HasNoChildren) "/" "&AOn,,Q-Co"
			S: c OK Completed`,
		"doesn't decode octets above 127": `
			C> a CREATE "caf\xc3\xa9"\r\n
			S: a OK create completed
			C: b LIST "" "caf%"
			S: * LIST (\HasNoChildren) "/" "caf&,+,,v,+9,+,,v,+9-"
			S: b OK Completed`,
		"takes any name in upper and lower case": `
			C: a CREATE "sent"
			S: a OK create completed
			C: b CREATE "INBOX/x"
			S: b OK create completed
			C: c CREATE "inbox/y"
			S~ c NO unknown error: .*`,
	} {
		t.Run(name, func(t *testing.T) { start(t, mail.Options{}, nil).login("alice").play(transcript) })
	}
}

// A name with "&", correctly encoded, can be filled and read, but neither deleted
// nor renamed; one that looks like UTF-7 when it is decoded is decoded again.
func TestAmpersand(t *testing.T) {
	c := start(t, mail.Options{}, nil).login("alice")
	c.play(`
		C: a CREATE "R&-D"
		S: a OK create completed
		C: b CREATE "R&-D"
		S: b NO create failed, already exists
		C: c STATUS "R&-D" (MESSAGES)
		S: * STATUS "R&-D" (MESSAGES 0)
		S: c OK Completed
		C: d APPEND "R&-D" () {5+}
		C: hello
		S~ d OK .*
		C: e CREATE "R&-D/2024"
		S: e OK create completed
		C: f LIST "" "R&-D*"
		S: * LIST (\HasChildren) "/" "R&-D"
		S: * LIST (\HasNoChildren) "/" "R&-D/2024"
		S: f OK Completed
		C: g DELETE "R&-D"
		C: h RENAME "R&-D" "RD"
		C: i DELETE "R&-D/2024"
		C: j SUBSCRIBE "R&-D"
		S: j OK subscribe completed
		C: k SELECT "R&-D"
		S: * 1 EXISTS`)
	for !strings.HasPrefix(c.line(), "k OK") {
	}
	c.play(`
		C: l CREATE "M&-Mes-amis"
		S: l OK create completed
		C: m STATUS "M&-Mes-amis" (MESSAGES)
		S: * STATUS "M&-Mes-amis" (MESSAGES 0)
		S: m OK Completed
		C: n LIST "" "M*"
		S: * LIST (\HasNoChildren) "/" "M&Mes-amis"
		S: n OK Completed
		C: o CREATE "M&-Mes-amis/&AOk-t&AOk-"
		S~ o NO unknown error: .*parent.*`)
}

func TestDelete(t *testing.T) {
	c := start(t, mail.Options{}, nil).login("alice")
	for i, name := range []string{"INBOX", "Sent", "Trash", "Drafts", "Junk", "Outbox", "Templates", "Nowhere",
		"Dossiers partag&AOk-s/sales", "Dossiers partag&AOk-s/sales/Sent", "Dossiers partag&AOk-s/legal/Sent"} {
		c.play(fmt.Sprintf("C: t%d DELETE \"%s\"\nS: t%d NO delete failed", i, name, i))
	}
	c.play(`
		C: a CREATE A
		S: a OK create completed
		C: b CREATE A/B
		S: b OK create completed
		C: c DELETE A
		S: c NO delete failed
		C: d DELETE A/B
		S: d OK delete completed
		C: e DELETE A
		S: e OK delete completed
		C: f CREATE "&AOk-"
		S: f OK create completed
		C: g CREATE "&AOk-/x"
		S: g OK create completed
		C: h DELETE "&AOk-"
		S: h OK delete completed
		C: i LIST "" "&AOk-*"
		S: * LIST (\HasNoChildren) "/" "&AOk-/x"
		S: i OK Completed`)
}

func TestRename(t *testing.T) {
	start(t, mail.Options{}, nil).login("alice").play(`
		C: a RENAME Nowhere Else
		S: a NO rename failure: source folder does not exists
		C: b RENAME Sent Trash
		S: b NO rename failure: destination folder already exists
		C: c RENAME Sent Gone
		S: c NO rename failed
		C: d CREATE A
		S: d OK create completed
		C: e CREATE A/B
		S: e OK create completed
		C: f CREATE A/B/C
		S: f OK create completed
		C: g RENAME "A" "Z z"
		S: g OK rename completed
		C: h LIST "" "Z*"
		S: * LIST (\HasChildren) "/" "Z z"
		S: * LIST (\HasChildren) "/" "Z z/B"
		S: * LIST (\HasNoChildren) "/" "Z z/B/C"
		S: h OK Completed
		C: i RENAME "Z z" "Autres utilisateurs/bob/Z"
		S: i NO rename failed`)
}

func TestList(t *testing.T) {
	r := start(t, mail.Options{}, nil)
	r.create(alice, "INBOX/x", "INBOX2", "a", "a/b", "a/b/c", "été")
	c := r.login("alice")
	const all = `Drafts INBOX2 Junk Outbox Sent Templates Trash a a/b a/b/c &AOk-t&AOk-`
	for pattern, want := range map[string]string{
		`*`:                                      `INBOX Drafts INBOX/x INBOX2 Junk Outbox Sent Templates Trash a a/b a/b/c &AOk-t&AOk- ` + shared,
		`%`:                                      `INBOX ` + all[:strings.Index(all, " a/b")] + ` &AOk-t&AOk-`,
		`INBOX`:                                  `INBOX INBOX/x INBOX2`,
		`inbox`:                                  `INBOX INBOX/x INBOX2`,
		`a/%`:                                    `a/b a/b/c`,
		`a`:                                      `a a/b a/b/c`,
		`*b`:                                     ``,
		`&AOk-*`:                                 `&AOk-t&AOk-`,
		`Dossiers partag&AOk-s/%`:                shared,
		`Nothing`:                                ``,
		`*" RETURN (SUBSCRIBED)`:                 ``,
		`Autres utilisateurs/*`:                  ``,
		`Dossiers partag&AOk-s/sales/T%`:         `Dossiers partag&AOk-s/sales/Trash`,
		`Dossiers partag&AOk-s/legal (none of *`: ``,
	} {
		if strings.Contains(pattern, "RETURN") {
			c.send("t LIST \"\" \"" + pattern + "\r\n")
		} else {
			c.send("t LSUB \"\" \"" + pattern + "\"\r\n")
		}
		var got []string
		for line := c.line(); line != "t OK Completed"; line = c.line() {
			name, _ := strings.CutSuffix(line[strings.Index(line, `"/" "`)+5:], `"`)
			got = append(got, name)
		}
		for i, name := range got {
			got[i] = strings.ReplaceAll(name, "Dossiers partag&AOk-s/", "~")
		}
		want = strings.ReplaceAll(want, "Dossiers partag&AOk-s/", "~")
		if strings.Join(got, " ") != strings.TrimSpace(want) {
			t.Errorf("%s:\n got %s\nwant %s", pattern, strings.Join(got, " "), want)
		}
	}
	c.play(`
		C: a LIST "" ""
		S: * LIST (\Noselect) "/" ""
		S: a OK Completed
		C: b LIST "INBOX" *
		S: * LIST (\HasChildren) "/" "INBOX"
		S: * LIST (\HasNoChildren) "/" "INBOX/x"
		S: * LIST (\HasNoChildren) "/" "INBOX2"
		S: b OK Completed
		C: c LIST (SUBSCRIBED) "" *
		S: c OK Completed
		C: d LIST "R&D" *
		C: e LIST ""
		S~ e BAD .*`)
}

const shared = `Dossiers partag&AOk-s/sales Dossiers partag&AOk-s/sales/Sent Dossiers partag&AOk-s/sales/Trash`

func TestSpecialUseIsInXListOnly(t *testing.T) {
	start(t, mail.Options{}, nil).login("alice").play(`
		C: a XLIST "" %
		S: * XLIST (\HasNoChildren) "/" "INBOX"
		S: * XLIST (\HasNoChildren \drafts) "/" "Drafts"
		S: * XLIST (\HasNoChildren \junk) "/" "Junk"
		S: * XLIST (\HasNoChildren) "/" "Outbox"
		S: * XLIST (\HasNoChildren \sent) "/" "Sent"
		S: * XLIST (\HasNoChildren) "/" "Templates"
		S: * XLIST (\HasNoChildren \trash) "/" "Trash"
		S: a OK Completed
		C: b LIST "" Sent
		S: * LIST (\HasNoChildren) "/" "Sent"
		S: b OK Completed`)
}

func TestShares(t *testing.T) {
	r := start(t, mail.Options{}, nil)
	c := r.login("alice")
	c.play(`
		C: a NAMESPACE
		S: * NAMESPACE (("" "/")) (("Autres utilisateurs/" "/")) (("Dossiers partag&AOk-s/" "/"))
		S: a OK Completed
		C: b STATUS "Dossiers partag&AOk-s/legal/Sent" (MESSAGES)
		S: * STATUS "Dossiers partag&AOk-s/legal/Sent" (MESSAGES 0)
		S: b OK Completed
		C: c MYRIGHTS "Dossiers partag&AOk-s/legal"
		S: * MYRIGHTS "Dossiers partag&AOk-s/legal" lrp
		S: c OK Completed
		C: d MYRIGHTS "Dossiers partag&AOk-s/sales"
		S: * MYRIGHTS "Dossiers partag&AOk-s/sales" lrswipkxte
		S: d OK Completed
		C: e MYRIGHTS INBOX
		S: * MYRIGHTS "INBOX" lrswipkxtea
		S: e OK Completed
		C: f GETACL INBOX
		S: * ACL "INBOX" me lrswipkxte
		S: f OK Completed
		C: g GETQUOTAROOT "Dossiers partag&AOk-s/sales/Sent"
		S: * QUOTAROOT "Dossiers partag&AOk-s/sales/Sent" "Dossiers partag&AOk-s/sales"
		S: g OK Completed
		C: h SUBSCRIBE "Dossiers partag&AOk-s/sales"
		S: h NO subscribe failure
		C: i UNSUBSCRIBE Sent
		S: i OK unsubscribe completed
		C: j APPEND "Dossiers partag&AOk-s/legal" () {5+}
		C: hello
		S~ j OK .*
		C: k STATUS "Autres utilisateurs/bob" (MESSAGES UIDNEXT UNSEEN RECENT HIGHESTMODSEQ)
		S: * STATUS "Autres utilisateurs/bob" (MESSAGES 0 UIDNEXT 1 UNSEEN 0 RECENT 0)
		S: k OK Completed
		C: l EXAMINE "Dossiers partag&AOk-s/legal"
		S: * 1 EXISTS`)
	r.login("bob").play(`
		C: a SELECT "Dossiers partag&AOk-s/sales"
		S: a NO Mailbox does not exist
		C: b APPEND "Autres utilisateurs/alice" () {5+}
		C: hello
		S: b NO Rejected
		C: c APPEND "Autres utilisateurs/nobody" () {5+}
		C: hello
		S: c NO Rejected`)
}
