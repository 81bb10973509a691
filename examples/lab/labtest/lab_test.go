package labtest_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"bmsync/examples/lab/labtest"
)

func TestDovecotServesWhatWasWritten(t *testing.T) {
	lab := labtest.Open(t)
	login, password := lab.AddDovecotUser(t, "ada")
	date := time.Date(2021, 2, 7, 22, 42, 4, 0, time.FixedZone("", 3600))
	lab.WriteMaildir(t, login, "INBOX", []labtest.Message{
		{Body: []byte("Subject: one\r\n\r\nbody\r\n"), Flags: []string{`\Seen`, "$Forwarded"}, InternalDate: date},
		{Body: []byte("Subject: two\r\n\r\n"), InternalDate: date.Add(time.Hour)},
	})
	lab.WriteMaildir(t, login, "Été/deep", []labtest.Message{
		{Body: []byte("Subject: three\r\n\r\nlater\r\n"), Flags: []string{"Work"}, InternalDate: date},
	})
	lab.WriteMaildir(t, login, "INBOX", []labtest.Message{
		{Body: []byte("Subject: four\r\n\r\n"), Flags: []string{"Other", "$Forwarded"}, InternalDate: date},
	})
	at := map[string]labtest.Login{
		"plain":    {Addr: lab.DovecotIMAP},
		"starttls": {Addr: lab.DovecotIMAP, Security: labtest.STARTTLS, TLS: lab.TLS(t)},
		"tls":      {Addr: lab.DovecotIMAPS, Security: labtest.TLS, TLS: lab.TLS(t)},
	}
	for name, l := range at {
		t.Run(name, func(t *testing.T) {
			l.User, l.Secret = login, password
			account, err := labtest.Read(t.Context(), l)
			if err != nil {
				t.Fatal(err)
			}
			inbox := account["INBOX"]
			if len(inbox) != 3 || len(account["Été/deep"]) != 1 {
				t.Fatalf("read %v", account)
			}
			if got := strings.Join(inbox[0].Flags, " "); got != `$Forwarded \Seen` || !inbox[0].InternalDate.Equal(date) {
				t.Errorf("first message has %s, %v", got, inbox[0].InternalDate)
			}
			if got := strings.Join(inbox[2].Flags, " "); got != "$Forwarded Other" {
				t.Errorf("last message has %s", got)
			}
		})
	}
	t.Run("public folders", func(t *testing.T) {
		_, domain, _ := strings.Cut(login, "@")
		lab.WriteMaildir(t, "public@"+domain, "Compta/été", []labtest.Message{{Body: []byte("Subject: five\r\n\r\n"), InternalDate: date}})
		l := at["tls"]
		l.User, l.Secret = lab.AddDovecotUser(t, "bruno")
		account, err := labtest.Read(t.Context(), l)
		if err != nil || len(account["Public/Compta/été"]) != 1 {
			t.Fatalf("read %v, %v", account, err)
		}
	})
	t.Run("as master", func(t *testing.T) {
		l := at["tls"]
		l.User, l.Secret = login+"*"+lab.DovecotMaster, lab.DovecotMasterSecret
		account, err := labtest.Read(t.Context(), l)
		if err != nil || len(account["INBOX"]) != 3 {
			t.Fatalf("read %v, %v", account, err)
		}
		l.User, l.AuthzID = lab.DovecotMaster, login
		account, err = labtest.Read(t.Context(), l)
		if err != nil || len(account["INBOX"]) != 3 {
			t.Fatalf("with authorisation identity: read %v, %v", account, err)
		}
	})
	t.Run("a wrong password is refused", func(t *testing.T) {
		l := at["plain"]
		l.User, l.Secret = login, "wrong"
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if _, err := labtest.Read(ctx, l); err == nil || !strings.Contains(err.Error(), "NO") {
			t.Errorf("error %v", err)
		}
	})
}

func TestCompareSays(t *testing.T) {
	date := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	a := labtest.Item{SHA256: strings.Repeat("a", 64), InternalDate: date, Flags: []string{"Work", `\Seen`}}
	aElsewhere := a
	aElsewhere.UID, aElsewhere.InternalDate, aElsewhere.Flags = 9, date.In(time.FixedZone("", 7200)), []string{`\Seen`, "work"}
	later := a
	later.InternalDate = date.Add(time.Second)
	unread := a
	unread.Flags = nil
	other := a
	other.SHA256 = strings.Repeat("b", 64)
	tests := map[string]struct {
		src, dst labtest.Account
		mapping  map[string]string
		want     int
	}{
		"nothing of equal accounts":   {labtest.Account{"INBOX": {a, other}}, labtest.Account{"INBOX": {other, aElsewhere}, "Sent": nil}, nil, 0},
		"a missing copy of two":       {labtest.Account{"INBOX": {a, a}}, labtest.Account{"INBOX": {a}}, nil, 1},
		"a message twice":             {labtest.Account{"INBOX": {a}}, labtest.Account{"INBOX": {a, a}}, nil, 1},
		"another second":              {labtest.Account{"INBOX": {a}}, labtest.Account{"INBOX": {later}}, nil, 2},
		"other flags":                 {labtest.Account{"INBOX": {a}}, labtest.Account{"INBOX": {unread}}, nil, 2},
		"other bytes":                 {labtest.Account{"INBOX": {a}}, labtest.Account{"INBOX": {other}}, nil, 2},
		"an empty folder that lacks":  {labtest.Account{"Empty": nil}, labtest.Account{}, nil, 1},
		"mail out of nowhere":         {labtest.Account{}, labtest.Account{"X": {a}}, nil, 1},
		"nothing of a mapped folder":  {labtest.Account{"Envoyés": {a}}, labtest.Account{"Sent": {a}}, map[string]string{"Envoyés": "Sent"}, 0},
		"nothing of two made one":     {labtest.Account{"Sent": {a}, "Envoyés": {a}}, labtest.Account{"Sent": {a, a}}, map[string]string{"Envoyés": "Sent"}, 0},
		"nothing of one left out":     {labtest.Account{"Spam": {a}}, labtest.Account{}, map[string]string{"Spam": ""}, 0},
		"mail of one left out though": {labtest.Account{"Spam": {a}}, labtest.Account{"Spam": {a}}, map[string]string{"Spam": ""}, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := labtest.Compare(tt.src, tt.dst, tt.mapping); len(got) != tt.want {
				t.Errorf("%d differences, not %d: %q", len(got), tt.want, got)
			}
		})
	}
}

func TestModifiedUTF7(t *testing.T) {
	for name, wire := range map[string]string{
		"Éléments & co": "&AMk-l&AOk-ments &- co",
		"日本語/x":         "&ZeVnLIqe-/x",
		"😀":             "&2D3eAA-",
		"plain":         "plain",
	} {
		if got := labtest.EncodeUTF7(name); got != wire {
			t.Errorf("%q is written %q, not %q", name, got, wire)
		}
		if got, err := labtest.DecodeUTF7(wire); got != name || err != nil {
			t.Errorf("%q is read as %q, %v", wire, got, err)
		}
	}
	for _, wire := range []string{"&AMk", "&A-", "&****-"} {
		if got, err := labtest.DecodeUTF7(wire); err == nil {
			t.Errorf("%q is read as %q", wire, got)
		}
	}
}
