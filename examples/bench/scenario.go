package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"bmsync/examples/lab/labtest"
)

// scenario is what is copied.
type scenario struct {
	Name     string
	Text     string
	Accounts int
	Folders  int // of each account, INBOX among them
	Messages int // of each folder
	Parallel int // accounts at a time, for every tool
	size     func(*rand.Rand) int
}

func (s scenario) total() int { return s.Accounts * s.Folders * s.Messages }

var scenarios = []scenario{
	{Name: "small", Text: "1 account, 20,000 small messages", Accounts: 1, Folders: 1, Messages: 20000, Parallel: 1, size: small},
	{Name: "realistic", Text: "10 accounts, 1,500 realistic messages each", Accounts: 10, Folders: 1, Messages: 1500, Parallel: 4, size: realistic},
	{Name: "many", Text: "40 accounts, 50 messages each in 5 folders", Accounts: 40, Folders: 5, Messages: 10, Parallel: 4, size: small},
}

func scenarioNamed(name string) (scenario, bool) {
	for _, s := range scenarios {
		if s.Name == name {
			return s, true
		}
	}
	return scenario{}, false
}

// small is 1.4 to 7.4 kB.
func small(r *rand.Rand) int { return 1400 + r.IntN(6000) }

// realistic has the long tail of real mailboxes: the median is 9 kB, the mean
// about 70 kB, the largest 8 MB.
func realistic(r *rand.Rand) int {
	return int(min(max(9000*math.Exp(2.05*r.NormFloat64()), 900), 8<<20))
}

const folderNames = "INBOX,Sent,Projects,Projects/2024,Clients"

func (s scenario) folders() []string { return strings.Split(folderNames, ",")[:s.Folders] }

// corpus makes the messages of one folder, always the same ones.
func (s scenario) corpus(account, folder int) []labtest.Message {
	r := rand.New(rand.NewPCG(uint64(account)+1, uint64(folder)+1))
	out := make([]labtest.Message, s.Messages)
	at := time.Date(2019, 1, 1, 8, 0, 0, 0, time.UTC)
	for i := range out {
		at = at.Add(time.Duration(1+r.IntN(7200)) * time.Second)
		var flags []string
		if r.IntN(5) > 0 {
			flags = append(flags, `\Seen`)
		}
		if r.IntN(10) == 0 {
			flags = append(flags, `\Answered`)
		}
		out[i] = labtest.Message{Body: body(r, fmt.Sprintf("%d.%d.%d", account, folder, i), at, s.size(r)), Flags: flags, InternalDate: at}
	}
	return out
}

const words = "the quick plan for next week is attached please read it before the meeting and send what lacks to all of us "

func body(r *rand.Rand, id string, at time.Time, size int) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "From: Ada Martin <ada@old.example>\r\nTo: Bruno <bruno@old.example>\r\nSubject: message %s\r\nDate: %s\r\nMessage-ID: <%s.%x@old.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n",
		id, at.Format("Mon, 2 Jan 2006 15:04:05 -0700"), id, r.Uint64())
	for b.Len() < size {
		from := r.IntN(len(words) - 72)
		b.WriteString(words[from : from+70])
		b.WriteString("\r\n")
	}
	return []byte(b.String())
}
